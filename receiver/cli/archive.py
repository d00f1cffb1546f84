"""`archive`: show what the database has, write all ended jobs as JSON lines, import sidecars."""

import time
from collections.abc import Mapping

import click
from pydantic_core import to_json

from jobs import sidecars
from jobs.archive.archive import Archive
from jobs.domain.errors import ArchiveUnavailable, FluxkeepError
from jobs.domain.status import TERMINAL
from jobs.services import Services
from jobs.store.listing import Page
from jobs.store.search_conditions import Search
from receiver.checks.archive import late_seconds
from receiver.cli.base import Command, example, load_services, printable, sentence
from receiver.cli.repair import UNAVAILABLE
from receiver.repair.sidecar_import import SidecarImport

BATCH = 200
LABEL_WIDTH = 12
PROGRESS_SECONDS = 5.0


@click.group(epilog=example("archive status"))
def archive() -> None:
    """Show, export and fill the database of ended jobs."""


@archive.command("status", cls=Command, epilog=example("archive status"))
def status() -> None:
    """Show the rows by status, what only the database has, its size, and how late the sweep is."""
    services, opened = _open_archive()
    version = opened.state().schema
    rows = opened.counts()
    totals = services.metrics.totals()
    size = f"{opened.size() / 1e6:,.1f} MB"
    _print("database", f"{opened.database_name}, tables of version {version}, {size}")
    _print("rows", f"{sum(rows.values()):,}")
    for job_status in sorted(TERMINAL):
        _print(f"  {job_status}", f"{rows.get(job_status, 0):,}")
    _print("only there", f"{totals.archived:,}")
    _print("in Redis", f"{totals.jobs_in_redis:,}")
    _print("late", f"{late_seconds(services):,.0f} s")


def _print(name: str, text: str) -> None:
    click.echo(name.ljust(LABEL_WIDTH) + text)


def _open_archive() -> tuple[Services, Archive]:
    services = load_services()
    if services.archive is None:
        raise click.UsageError("DATABASE_URL is not set, so there is no archive.")
    return services, services.archive


@archive.command("export", cls=Command, epilog=example("archive export > jobs.jsonl"))
def export() -> None:
    """Print every ended job as a line of JSON, newest first, wherever it is.

    The lines are those of the API, with the keys of objects in place of links. Ends with 1 if the
    database went away before the end.
    """
    services, _ = _open_archive()
    page: Page | None = None
    while page is None or page.last:
        page = services.catalog.page(Search(), BATCH, page and page.last)
        for job in page.jobs:
            if job.status.terminal:
                click.echo(to_json(sidecars.document(job)))
        if page.is_cut:
            raise ArchiveUnavailable


@archive.command("import", cls=Command, epilog=example("archive import"))
def import_sidecars() -> None:
    """Read the sidecars of the storage into the database.

    Jobs that Redis or the database knows, or that were deleted, stay as they are. It is safe while
    Fluxkeep runs; it can be interrupted and repeated. Sidecars that are not of Fluxkeep are named.
    Ends with 2 when Redis, the database or the storage cannot be used.
    """
    services, opened = _open_archive()
    shown_at = time.monotonic()
    try:
        opened.state()  # fail early: an empty storage would cause no query
        walk = SidecarImport(services, opened, _print_foreign)
        for _ in walk.run():
            if time.monotonic() >= shown_at + PROGRESS_SECONDS:
                shown_at = time.monotonic()
                click.echo(_numbers(walk.counts), err=True)
    except FluxkeepError as error:
        click.echo(f"Error: {sentence(error)} Run it again then.", err=True)
        click.get_current_context().exit(UNAVAILABLE)
    click.echo(_numbers(walk.counts))


def _print_foreign(key: str, why: str) -> None:
    click.echo(printable(f"{key}: {why}"))


def _numbers(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{number:,} {name}" for name, number in counts.items())
