"""`submit`: a job is put in line for BFL, as by `POST /api/jobs`."""

import json
from contextlib import closing
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import click

from jobs import shape
from jobs.job import Job
from jobs.services import Services
from jobs.states import State
from receiver.commands import wishes
from receiver.commands.command import Command, plain, services
from receiver.commands.files import made, save
from receiver.commands.reasons import ending
from receiver.commands.waiting import Display, Watch
from receiver.submissions import enqueue

INTERRUPTED = 130  # what a shell makes of Ctrl-C

Pairs = tuple[tuple[str, str], ...]


class Asked(NamedTuple):
    """The options of `submit`."""

    model: str
    prompt: str | None
    pairs: Pairs
    file: BinaryIO | None
    metadata: Pairs
    wait: bool
    output: Path | None
    json_output: bool


@click.command(
    cls=Command, short_help="Generate: submit --model flux-2-pro --prompt 'a fox' --wait"
)
@click.option("--model", required=True, help="BFL's name for it, as in flux-2-pro.")
@click.option("--prompt", help="What to generate.")
@click.option(
    "--input", "pairs", type=wishes.Pair(), multiple=True, help="Any field of BFL's input."
)
@click.option(
    "--json", "file", type=click.File("rb"), help="The input as a JSON file; - reads stdin."
)
@click.option("--metadata", type=wishes.Pair(), multiple=True, help="Kept with the job.")
@click.option("--wait", is_flag=True, help="Wait until the job has ended.")
@click.option(
    "--output",
    type=click.Path(file_okay=False, path_type=Path),
    help="Wait, and write the media into this directory.",
)
@click.option("--json-output", is_flag=True, help="Print the whole job as JSON.")
def submit(**said: Any) -> None:
    """Have BFL generate something, and keep it.

    Prints the id of the job. With --wait also links to its media; if there are none, says why
    and ends with 1. --input may be repeated: a value that is JSON is taken as JSON (width=1024),
    any other as text.

    \b
    Examples:
      flask --app receiver submit --model flux-2-pro --prompt "a fox" --wait
      flask --app receiver submit --model flux-2-pro --prompt "a fox" \\
          --input width=1024 --input seed=42 --output pictures
      echo '{"prompt": "a fox"}' | \\
          flask --app receiver submit --model flux-2-pro --json -
    """
    asked = Asked(**said)
    given = wishes.read_input(asked.file, asked.pairs, asked.prompt)
    wish = wishes.wish(asked.model, given, asked.metadata)
    directory = made(asked.output) if asked.output else None
    wired = services()
    job = enqueue(wired, wish)
    if not asked.json_output:
        click.echo(job.id)
    if asked.wait or directory:
        job = _waited_for(wired, job)
    if asked.json_output:
        click.echo(json.dumps(shape.job(wired, job), indent=2))
    if job.state.terminal:
        _tell(wired, job, directory, links=not asked.json_output)


def _waited_for(wired: Services, job: Job) -> Job:
    """Ctrl-C only ends the waiting."""
    try:
        with closing(Display()) as display:
            return Watch(wired, display).end_of(job)
    except KeyboardInterrupt:
        click.echo(f"Job {job.id} goes on without you. Look at it with:", err=True)
        click.echo(f"  flask --app receiver jobs show {job.id}", err=True)
        click.get_current_context().exit(INTERRUPTED)


def _tell(wired: Services, job: Job, directory: Path | None, *, links: bool) -> None:
    if job.state is not State.STORED:
        raise click.ClickException(plain(ending(job)))
    if links:
        for medium in shape.job(wired, job)["media"]:
            click.echo(medium["url"])
    if directory:
        for path in save(wired.media, job.media, directory):
            click.echo(path, err=not links)
