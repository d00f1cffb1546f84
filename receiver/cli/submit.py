"""`submit`: submit a job as `POST /api/jobs` does, and wait until it has ended."""

import base64
import json
import time
from pathlib import Path
from typing import Any

import click

from jobs import views
from jobs.bfl.input_problems import judge
from jobs.domain.errors import BadRequest
from jobs.domain.job import Job
from jobs.domain.job_record import Submission
from jobs.domain.status import Status
from jobs.net import strict_json
from jobs.services import Services
from receiver.cli.base import Command, example, load_services, parse_pairs, printable
from receiver.job_actions import load_job
from receiver.new_submission import enqueue
from receiver.schemas.bodies import validate
from receiver.schemas.submission import DryRunView, SubmissionBody
from receiver.submission_checks import dry_run as dry_run_view

INTERRUPTED = 130  # exit status after Ctrl-C (128 + SIGINT)
POLL_SECONDS = 0.5


@click.command(
    cls=Command, epilog=example('submit --model flux-2-pro --prompt "a fox" --input seed=42 --wait')
)
@click.option("--model", required=True, help="BFL's name of the model, as in flux-2-pro.")
@click.option("--prompt", help="The prompt.")
@click.option(
    "--input",
    "fields",
    multiple=True,
    callback=parse_pairs,
    help="name=value or name=@file: any field of the input.",
)
@click.option(
    "--metadata", multiple=True, callback=parse_pairs, help="name=value, kept with the job."
)
@click.option("--wait", is_flag=True, help="Wait until the job has ended.")
@click.option("--dry-run", is_flag=True, help="Submit nothing: check the input, show the price.")
def submit(
    model: str,
    prompt: str | None,
    fields: dict[str, str],
    metadata: dict[str, str],
    *,
    wait: bool,
    dry_run: bool,
) -> None:
    """Submit a job to BFL and store its media.

    Prints the id of the job. With --wait it also prints links to the media; if there are none, it
    prints the reason and ends with 1. --input may be repeated: a value that is valid JSON is read
    as JSON (width=1024), any other value as text.
    """
    values = {name: _value(text) for name, text in fields.items()}
    if prompt is not None:
        values["prompt"] = prompt
    if not values:
        raise click.UsageError("Give the input: --prompt or --input.")
    raw = json.dumps({"model": model, "input": values, "metadata": metadata}).encode()
    services = load_services()
    body = validate(SubmissionBody, strict_json.load_object(raw))
    if dry_run:
        _show_dry_run(dry_run_view(services, body))
        return
    for warning in judge(services.schemas.endpoints(), body.model, body.input)["warnings"]:
        click.echo(printable(f"{warning['field']}: {warning['message']}"), err=True)
    job = enqueue(services, body, Submission())
    click.echo(job.id)
    if not wait:
        return
    try:
        job = _wait_until_ended(services, job)
    except KeyboardInterrupt:
        click.echo(f"The job continues: flask --app receiver jobs show {job.id}", err=True)
        click.get_current_context().exit(INTERRUPTED)
    if job.status is not Status.STORED:
        raise click.ClickException(printable(_reason(job)))
    for medium in views.job_view(services, job)["media"]:
        click.echo(medium["url"])


def _show_dry_run(view: DryRunView) -> None:
    """Print the price, then what BFL's document says against the input: with a problem exit 1."""
    if view["price"] is None:
        click.echo("unknown")
    elif view["known"]:
        click.echo(f"{view['price']:g} credits")
    else:
        click.echo(f"at most {view['price']:g} credits")
    problems = view["problems"]
    warnings = [warning for warning in view["warnings"] if warning not in problems]
    for remark in problems + warnings:
        click.echo(printable(f"{remark['field']}: {remark['message']}"), err=True)
    if problems:
        click.get_current_context().exit(1)


def _value(text: str) -> Any:
    """The base64 of a file for @path, the value as JSON if it is that, else the text itself."""
    if text.startswith("@"):
        try:
            return base64.b64encode(Path(text[1:]).read_bytes()).decode()
        except OSError as error:
            raise click.BadParameter(f"{text[1:]}: {error.strerror}") from None
    try:
        return strict_json.loads(text.encode("utf-8", "surrogateescape"))
    except BadRequest:
        return text


def _wait_until_ended(services: Services, job: Job) -> Job:
    """Print a line for each change. Raises UnknownJob when it was deleted, StoreUnavailable."""
    began_at = time.monotonic()
    shown_text = ""
    while True:
        job = load_job(services, job.id)
        text = str(job.status)
        if job.progress is not None:
            text += f" {job.progress:.0%}"
        for reason in views.waiting_reasons(services, job):
            text += f": {reason}"
        if text != shown_text:
            click.echo(f"{time.monotonic() - began_at:3.0f} s  {printable(text)}", err=True)
            shown_text = text
        if job.status.terminal:
            return job
        time.sleep(POLL_SECONDS)


def _reason(job: Job) -> str:
    """The reason why a job is not stored."""
    if job.moderation:
        reasons = ", ".join(job.moderation.reasons) or "no reasons given"
        return f"moderated: BFL refuses its {job.moderation.stage} ({reasons})"
    if job.error:
        return f"{job.status}: {job.error.message} ({job.error.code})"
    return str(job.status)
