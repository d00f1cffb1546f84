"""`submit`: submit a job as `POST /api/jobs` does, and wait until it has ended."""

import json
from typing import Any, BinaryIO

import click

from jobs import views
from jobs.errors import BadRequest, BodyTooLarge
from jobs.job import Job
from jobs.net import strict_json
from jobs.status import Status
from receiver.api.submissions import SubmissionBody, SubmissionRequest, enqueue
from receiver.cli.command import Command, plain, services
from receiver.cli.progress import wait_until_ended
from receiver.schemas.bodies import INPUT_BODY_MAX_BYTES, validate_body

INTERRUPTED = 130  # exit status after Ctrl-C (128 + SIGINT)


class Pair(click.ParamType[tuple[str, str]]):
    """`name=value`."""

    name = "name=value"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, str]:
        name, equals, rest = value.partition("=")
        if not (name and equals):
            self.fail(f"{value!r} is not name=value", param, ctx)
        return name, rest


Pairs = tuple[tuple[str, str], ...]


@click.command(
    cls=Command, short_help="Generate: submit --model flux-2-pro --prompt 'a fox' --wait"
)
@click.option("--model", required=True, help="BFL's name of the model, as in flux-2-pro.")
@click.option("--prompt", help="The prompt.")
@click.option("--input", "fields", type=Pair(), multiple=True, help="Any field of BFL's input.")
@click.option(
    "--json", "file", type=click.File("rb"), help="The input as a JSON file; - reads stdin."
)
@click.option("--metadata", type=Pair(), multiple=True, help="Stored with the job.")
@click.option("--wait", is_flag=True, help="Wait until the job has ended.")
def submit(
    model: str,
    prompt: str | None,
    fields: Pairs,
    file: BinaryIO | None,
    metadata: Pairs,
    *,
    wait: bool,
) -> None:
    """Submit a job to BFL and store its media.

    Prints the id of the job. With --wait it also prints links to the media; if there are none, it
    prints the reason and ends with 1. --input may be repeated: a value that is valid JSON is read
    as JSON (width=1024), any other value as text.

    \b
    Examples:
      flask --app receiver submit --model flux-2-pro --prompt "a fox" --wait
      echo '{"prompt": "a fox"}' | \\
          flask --app receiver submit --model flux-2-pro --json - --input seed=42
    """
    given = _read_file(file) | {name: _value(text) for name, text in fields}
    if prompt is not None:
        given["prompt"] = prompt
    if not given:
        raise click.UsageError("Give the input: --prompt, --input or --json.")
    raw = json.dumps({"model": model, "input": given, "metadata": dict(metadata)}).encode()
    if len(raw) > INPUT_BODY_MAX_BYTES:
        raise BodyTooLarge
    built = services()
    job = enqueue(built, SubmissionRequest.of(validate_body(SubmissionBody, raw)))
    click.echo(job.id)
    if not wait:
        return
    try:
        job = wait_until_ended(built, job)
    except KeyboardInterrupt:
        click.echo(f"The job continues: flask --app receiver jobs show {job.id}", err=True)
        click.get_current_context().exit(INTERRUPTED)
    if job.status is not Status.STORED:
        raise click.ClickException(plain(_reason(job)))
    for medium in views.job_view(built, job)["media"]:
        click.echo(medium["url"])


def _read_file(file: BinaryIO | None) -> dict[str, Any]:
    if file is None:
        return {}
    raw = file.read(INPUT_BODY_MAX_BYTES + 1)
    if len(raw) > INPUT_BODY_MAX_BYTES:
        raise BodyTooLarge
    try:
        given = strict_json.loads(raw)
    except BadRequest as error:
        raise click.UsageError(f"--json: {error}") from None
    if not isinstance(given, dict):
        raise click.UsageError("--json: must hold a JSON object with the input")
    return given


def _value(text: str) -> Any:
    """The value as JSON if it is valid JSON (width=1024), else the text itself."""
    try:
        return strict_json.loads(text.encode("utf-8", "surrogateescape"))
    except BadRequest:
        return text


def _reason(job: Job) -> str:
    """The reason why a job is not stored."""
    if job.moderation:
        reasons = ", ".join(job.moderation.reasons) or "no reasons given"
        return f"moderated: BFL refuses its {job.moderation.stage} ({reasons})"
    if job.error:
        return f"{job.status}: {job.error.message} ({job.error.code})"
    return str(job.status)
