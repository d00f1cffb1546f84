"""`jobs`: list jobs, show one, replay or delete some."""

import json
from collections.abc import Callable, Mapping
from textwrap import shorten
from typing import Any

import click

from jobs import inputs, views
from jobs.domain.errors import FluxkeepError, as_sentence
from jobs.domain.status import Status
from jobs.services import Services
from receiver.cli.base import Command, example, full_id, pairs, plain, sentence, services
from receiver.job_actions import delete_or_erase, load_job, replay_job
from receiver.schemas.query import PAGE_MAX, ListQuery

LIST_DEFAULT = 20
DELETED = {True: "deleted", False: "has no record; the storage is searched for its objects"}
COLUMN_WIDTHS = {"id": 36, "status": 9, "model": 20, "created_at": 24, "prompt": 50}
FILTERS = ("q", "model", "source", "since", "until", "repeats", "seed", "sha256", "key")


def _filters(command: Callable[..., None]) -> Callable[..., None]:
    """Options with the names and meanings of the API's parameters."""
    for name in reversed(FILTERS):
        described = as_sentence(ListQuery.model_fields[name].description or "")
        command = click.option(f"--{name}", help=described)(command)
    return command


@click.group(epilog=example("jobs list --status failed"))
def jobs() -> None:
    """List jobs, show one, replay some, delete some."""


@jobs.command("list", cls=Command, epilog=example("jobs list --status failed --limit 50"))
@click.option("--status", type=click.Choice([*map(str, Status)]), multiple=True, help="Repeatable.")
@_filters
@click.option("--metadata", multiple=True, callback=pairs, help="name=value. Repeatable.")
@click.option("--limit", type=click.IntRange(1, PAGE_MAX), default=LIST_DEFAULT, show_default=True)
@click.option("--json", "as_json", is_flag=True, help="Print the jobs as a JSON list.")
def list_jobs(
    status: tuple[str, ...],
    metadata: dict[str, str],
    limit: int,
    *,
    as_json: bool,
    **filters: str | None,
) -> None:
    """List jobs, newest first, by the filters of the API."""
    given = {name: text for name, text in filters.items() if text is not None}
    query = ListQuery.parse({"status": list(status), "metadata": metadata, **given})
    built = services()
    page = built.catalog.page(query.search(), limit, None)
    found = views.job_views(built, page.jobs)
    if as_json:
        click.echo(json.dumps(found, indent=2))
        return
    click.echo(_row({name: name.removesuffix("_at") for name in COLUMN_WIDTHS}))
    for job, view in zip(page.jobs, found, strict=True):
        click.echo(_row({**view, "prompt": inputs.prompt(job) or job.result.get("prompt")}))
    if page.is_cut:
        click.echo("Older jobs are in the database, which does not answer.", err=True)
    elif page.last:
        click.echo(f"There are more jobs; these are the newest {limit}.", err=True)


def _row(job: Mapping[str, Any]) -> str:
    texts = {name: plain(str(job[name] or "-")) for name in COLUMN_WIDTHS}
    texts["prompt"] = shorten(texts["prompt"], COLUMN_WIDTHS["prompt"], placeholder="…")
    cells = (texts[name].ljust(width) for name, width in COLUMN_WIDTHS.items())
    return "  ".join(cells).rstrip()


@jobs.command("show", cls=Command, epilog=example("jobs show 5c1f0a2e"))
@click.argument("job_id", metavar="ID")
def show(job_id: str) -> None:
    """Print a job with its timeline as JSON, as the API does.

    ID is its own id or BFL's task id, or the beginning of one.
    """
    built = services()
    job = load_job(built, full_id(built, job_id))
    click.echo(json.dumps(views.job_view_with_input(built, job), indent=2))


@jobs.command("rescue", cls=Command, epilog=example("jobs rescue 5c1f0a2e 77aa01bc"))
@click.argument("job_ids", metavar="ID...", nargs=-1, required=True)
def rescue(job_ids: tuple[str, ...]) -> None:
    """Ask BFL again for jobs that failed, expired or were lost, and store their media."""
    built = services()
    _for_each(built, job_ids, lambda job_id: replay_job(built, job_id).status)


@jobs.command("delete", cls=Command, epilog=example("jobs delete 5c1f0a2e 77aa01bc"))
@click.argument("job_ids", metavar="ID...", nargs=-1, required=True)
def delete(job_ids: tuple[str, ...]) -> None:
    """Delete jobs with their media and inputs, for ever.

    The sweep searches the storage for the objects of a job whose record is gone.
    """
    built = services()
    _for_each(built, job_ids, lambda job_id: DELETED[delete_or_erase(built, job_id)])


def _for_each(services: Services, job_ids: tuple[str, ...], act: Callable[[str], str]) -> None:
    """Act on each job and print the result; ends with 1 if one failed."""
    failed = 0
    for job_id in job_ids:
        try:
            named = full_id(services, job_id)
            click.echo(f"{named}  {act(named)}")
        except FluxkeepError as error:
            click.echo(f"{job_id}  {sentence(error)}", err=True)
            failed += 1
    click.get_current_context().exit(1 if failed else 0)
