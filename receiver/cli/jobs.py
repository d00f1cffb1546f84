"""`jobs`: list jobs, show one, replay or delete some."""

import json
from collections.abc import Callable

import click

from jobs import views
from jobs.domain.errors import FluxkeepError
from jobs.domain.status import Status
from jobs.store.search import Search
from receiver.api.job_actions import delete_or_erase, load_job, replay_job
from receiver.cli.command import Command, example, plain, sentence, services
from receiver.schemas.query import PAGE_MAX

LIST_DEFAULT = 20
DELETED = {True: "deleted", False: "has no record; the storage is searched for its objects"}
COLUMN_WIDTHS = {"id": 36, "status": 9, "model": 20, "created_at": 24}


@click.group(epilog=example("jobs list --status failed"))
def jobs() -> None:
    """List jobs, show one, replay some, delete some."""


@jobs.command("list", cls=Command, epilog=example("jobs list --status failed --limit 50"))
@click.option("--status", type=click.Choice([*map(str, Status)]), multiple=True, help="Repeatable.")
@click.option("--limit", type=click.IntRange(1, PAGE_MAX), default=LIST_DEFAULT, show_default=True)
@click.option("--json", "as_json", is_flag=True, help="Print the jobs as a JSON list.")
def list_jobs(status: tuple[str, ...], limit: int, *, as_json: bool) -> None:
    """List jobs, newest first."""
    built = services()
    page = built.listing.page(Search(statuses=tuple(map(Status, status))), limit, None)
    found = views.job_views(built, page.jobs)
    if as_json:
        click.echo(json.dumps(found, indent=2))
        return
    for row in [{name: name.removesuffix("_at") for name in COLUMN_WIDTHS}, *found]:
        cells = (plain(str(row[name] or "-")).ljust(width) for name, width in COLUMN_WIDTHS.items())
        click.echo("  ".join(cells).rstrip())
    if page.last:
        click.echo(f"There are more jobs; these are the newest {limit}.", err=True)


@jobs.command("show", cls=Command, epilog=example("jobs show 5c1f0a2e"))
@click.argument("job_id", metavar="ID")
def show(job_id: str) -> None:
    """Print a job with its timeline as JSON, as the API does. ID is its own id or BFL's task id."""
    built = services()
    click.echo(json.dumps(views.job_view_with_input(built, load_job(built, job_id)), indent=2))


@jobs.command("rescue", cls=Command, epilog=example("jobs rescue 5c1f0a2e 77aa01bc"))
@click.argument("job_ids", metavar="ID...", nargs=-1, required=True)
def rescue(job_ids: tuple[str, ...]) -> None:
    """Ask BFL again for jobs that failed, expired or were lost, and store their media."""
    built = services()
    _for_each(job_ids, lambda job_id: replay_job(built, job_id).status)


@jobs.command("delete", cls=Command, epilog=example("jobs delete 5c1f0a2e 77aa01bc"))
@click.argument("job_ids", metavar="ID...", nargs=-1, required=True)
def delete(job_ids: tuple[str, ...]) -> None:
    """Delete jobs with their media and inputs, for ever.

    The sweep searches the storage for the objects of a job whose record is gone.
    """
    built = services()
    _for_each(job_ids, lambda job_id: DELETED[delete_or_erase(built, job_id)])


def _for_each(job_ids: tuple[str, ...], act: Callable[[str], str]) -> None:
    """Act on each job and print the result; ends with 1 if one failed."""
    failed = 0
    for job_id in job_ids:
        try:
            click.echo(f"{job_id}  {act(job_id)}")
        except FluxkeepError as error:
            click.echo(f"{job_id}  {sentence(error)}", err=True)
            failed += 1
    click.get_current_context().exit(1 if failed else 0)
