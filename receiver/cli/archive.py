"""`archive`: show what the database has, and write all ended jobs as JSON lines."""

import json
from collections.abc import Iterator
from typing import Any

import click

from jobs import views
from jobs.archive.archive import Archive
from jobs.domain.errors import ArchiveUnavailable
from jobs.domain.job import Job
from jobs.domain.status import TERMINAL
from jobs.domain.timeline import rfc3339
from jobs.services import Services
from jobs.store.listing import Position
from jobs.store.search import Search
from receiver.checks.archive import late_seconds
from receiver.cli.command import Command, example, services

BATCH = 200
LABEL_WIDTH = 12


@click.group(epilog=example("archive status"))
def archive() -> None:
    """Show and export the database of ended jobs."""


@archive.command("status", cls=Command, epilog=example("archive status"))
def status() -> None:
    """Show the rows by status, what only the database has, its size, and how late the sweep is."""
    for name, text in _status(*_archive()):
        click.echo(f"{name.ljust(LABEL_WIDTH)}{text}")


def _archive() -> tuple[Services, Archive]:
    built = services()
    if built.archive is None:
        raise click.UsageError("DATABASE_URL is not set, so there is no archive.")
    return built, built.archive


def _status(built: Services, archive: Archive) -> Iterator[tuple[str, str]]:
    """Names and values. Raises ArchiveUnavailable, StoreUnavailable."""
    state, rows, totals = archive.state(), archive.counts(), built.metrics.totals()
    size = f"{archive.size() / 1e6:,.1f} MB"
    yield "database", f"{archive.database_name}, tables of version {state.schema}, {size}"
    yield "rows", f"{sum(rows.values()):,}"
    for one in sorted(TERMINAL):
        yield f"  {one}", f"{rows.get(one, 0):,}"
    yield "only there", f"{totals.archived:,}"
    yield "in Redis", f"{totals.hot:,}"
    yield "last pass", rfc3339(state.last_pass) if state.last_pass else "never"
    yield "late", f"{late_seconds(built):,.0f} s"


@archive.command("export", cls=Command, epilog=example("archive export > jobs.jsonl"))
def export() -> None:
    """Print every ended job as a line of JSON, newest first.

    As the API shows it, with the keys of its objects in place of links. It ends with 1 if the
    database went away before the end.
    """
    built, _ = _archive()
    for job in _ended_jobs(built):
        click.echo(json.dumps(_view(job), separators=(",", ":")))


def _ended_jobs(built: Services) -> Iterator[Job]:
    """Those in the database and those in Redis. Raises ArchiveUnavailable, StoreUnavailable."""
    position: Position | None = None
    while True:
        page = built.catalog.page(Search(), BATCH, position)
        yield from (job for job in page.jobs if job.status.terminal)
        if page.is_cut:
            raise ArchiveUnavailable
        if (position := page.last) is None:
            return


def _view(job: Job) -> dict[str, Any]:
    media = [{"key": file.key, **views.file_view(file)} for file in job.media]
    view: dict[str, Any] = {**views.base_view(job, media)}
    if job.request.public_input is not None:
        view["input"] = job.request.public_input
        view["input_keys"] = [file.key for file in job.request.input_files]
    return view
