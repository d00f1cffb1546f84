"""`jobs`: list jobs, show one, replay or delete some."""

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from textwrap import shorten
from typing import Any

import click

from jobs import kept_inputs, views
from jobs.domain.errors import CountRequired, FluxkeepError, as_sentence
from jobs.domain.status import Status
from jobs.services import Services
from jobs.store.batch_actions import Action, Batch
from jobs.store.search_conditions import Search
from receiver import job_actions
from receiver.cli.base import (
    Command,
    example,
    full_id,
    load_services,
    parse_pairs,
    printable,
    sentence,
)
from receiver.cli.submit import INTERRUPTED, POLL_SECONDS
from receiver.schemas.query import PAGE_MAX, FilterQuery

LIST_DEFAULT = 20
QUESTIONS = {
    Action.DELETE: "Delete {} with all media and inputs, for ever?",
    Action.REPLAY: "Ask BFL again for {}?",
}
COLUMN_WIDTHS = {"id": 36, "status": 9, "model": 20, "created_at": 24, "prompt": 50}
FILTERS = ("q", "model", "source", "since", "until", "repeats", "seed", "sha256", "key")


def _filters(command: Callable[..., None]) -> Callable[..., None]:
    """Options with the names and meanings of the API's parameters."""
    command = click.option(
        "--metadata", multiple=True, callback=parse_pairs, help="name=value. Repeatable."
    )(command)
    for name in reversed(FILTERS):
        described = as_sentence(FilterQuery.model_fields[name].description or "")
        command = click.option(f"--{name}", help=described)(command)
    status = click.Choice([str(status) for status in Status])
    return click.option("--status", type=status, multiple=True, help="Repeatable.")(command)


def _search(filters: Mapping[str, Any]) -> Search:
    """Raises InvalidField."""
    given_filters = {name: value for name, value in filters.items() if value}
    return FilterQuery.parse(given_filters).search()


@click.group(epilog=example("jobs list --status failed"))
def jobs() -> None:
    """List jobs, show one, replay some, delete some."""


@jobs.command("list", cls=Command, epilog=example("jobs list --status failed --limit 50"))
@_filters
@click.option("--limit", type=click.IntRange(1, PAGE_MAX), default=LIST_DEFAULT, show_default=True)
@click.option("--json", "as_json", is_flag=True, help="Print the jobs as a JSON list.")
def list_jobs(limit: int, *, as_json: bool, **filters: Any) -> None:
    """List jobs, newest first, by the filters of the API."""
    search = _search(filters)
    services = load_services()
    page = services.catalog.page(search, limit, None)
    job_views = views.job_views(services, page.jobs)
    if as_json:
        click.echo(json.dumps(job_views, indent=2))
        return
    click.echo(_row({name: name.removesuffix("_at") for name in COLUMN_WIDTHS}))
    for job, view in zip(page.jobs, job_views, strict=True):
        cells: dict[str, Any] = dict(view)
        cells["prompt"] = kept_inputs.prompt(job) or job.result.get("prompt")
        click.echo(_row(cells))
    if page.is_cut:
        click.echo("Older jobs are in the database, which does not answer.", err=True)
    elif page.last:
        click.echo(f"There are more jobs; these are the newest {limit}.", err=True)


def _row(values: Mapping[str, Any]) -> str:
    """A line of the table; the values are by the names of the columns."""
    cells = []
    for name, width in COLUMN_WIDTHS.items():
        text = printable(str(values[name] or "-"))
        if name == "prompt":
            text = shorten(text, width, placeholder="…")
        cells.append(text.ljust(width))
    return "  ".join(cells).rstrip()


@jobs.command("show", cls=Command, epilog=example("jobs show 5c1f0a2e"))
@click.argument("job_id", metavar="ID")
def show(job_id: str) -> None:
    """Print a job with its timeline as JSON, as the API does.

    ID is its own id or BFL's task id, or the beginning of one.
    """
    services = load_services()
    job = job_actions.load_job(services, full_id(services, job_id))
    click.echo(json.dumps(views.job_view(services, job, with_input=True), indent=2))


def _several(command: Callable[..., None]) -> Callable[..., None]:
    """Ids or filters, and whether to ask."""
    command = click.option("--yes", is_flag=True, help="Do not ask.")(_filters(command))
    return click.argument("job_ids", metavar="[ID...]", nargs=-1)(command)


@jobs.command("replay", cls=Command, epilog=example("jobs replay --status expired --key app"))
@_several
def replay(job_ids: tuple[str, ...], *, yes: bool, **filters: Any) -> None:
    """Ask BFL again for jobs that failed, expired or were lost, and store their media.

    Give ids, or filters for all jobs that match: the sweep works them off.
    """
    services = load_services()
    _act_on_each(services, job_ids, filters, _replay_job)
    _act_on_all(services, Action.REPLAY, _search(filters), yes=yes)


@jobs.command("rescue", cls=Command, epilog=example("jobs replay --status expired --key app"))
@_several
@click.pass_context
def rescue(context: click.Context, /, **arguments: Any) -> None:
    """Former name of `jobs replay`. It does the same."""
    click.echo("`jobs rescue` is called `jobs replay` now.", err=True)
    context.invoke(replay, **arguments)


@jobs.command("delete", cls=Command, epilog=example("jobs delete --metadata user=7"))
@_several
def delete(job_ids: tuple[str, ...], *, yes: bool, **filters: Any) -> None:
    """Delete jobs with their media and inputs, for ever.

    Give ids, or filters for all jobs that match: the sweep works them off. It searches the storage
    for the objects of an id whose record is gone.
    """
    services = load_services()
    _act_on_each(services, job_ids, filters, _delete_job)
    _act_on_all(services, Action.DELETE, _search(filters), yes=yes)


def _replay_job(services: Services, job_id: str) -> str:
    return job_actions.replay_job(services, job_id).status


def _delete_job(services: Services, job_id: str) -> str:
    if job_actions.delete_or_erase(services, job_id):
        return "deleted"
    return "has no record; the storage is searched for its objects"


def _act_on_each(
    services: Services,
    job_ids: tuple[str, ...],
    filters: Mapping[str, Any],
    act: Callable[[Services, str], str],
) -> None:
    """Act on each job of an id, print the result, and exit. Return if filters choose the jobs."""
    has_filters = any(filters.values())
    has_ids = bool(job_ids)
    if has_ids == has_filters:
        raise click.UsageError("Give either ids or filters.")
    if has_filters:
        return
    exit_status = 0
    for id_or_beginning in job_ids:
        try:
            job_id = full_id(services, id_or_beginning)
            outcome = act(services, job_id)
            click.echo(f"{job_id}  {outcome}")
        except FluxkeepError as error:
            click.echo(f"{id_or_beginning}  {sentence(error)}", err=True)
            exit_status = 1
    click.get_current_context().exit(exit_status)


def _act_on_all(services: Services, action: Action, search: Search, *, yes: bool) -> None:
    """Ask, have the sweep act on all jobs that match, and print how far it is."""
    try:
        batch = job_actions.begin_batch(services, action, search, None)
    except CountRequired as required:
        if not yes:
            question = QUESTIONS[action].format(job_actions.count_text(required.count))
            click.confirm(question, abort=True, err=True)
        counted_search = replace(search, until=required.until)
        batch = job_actions.begin_batch(services, action, counted_search, required.count)
    try:
        batch = _wait_until_ended(services, batch)
    except KeyboardInterrupt:
        click.echo(f"The sweep goes on. To stop it: DELETE /api/batches/{batch.id}", err=True)
        click.get_current_context().exit(INTERRUPTED)
    for failed_job in batch.failed_jobs:
        click.echo(f"{failed_job.id}  {as_sentence(failed_job.reason)}", err=True)
    if batch.failed or batch.is_stopped:
        click.get_current_context().exit(1)


def _wait_until_ended(services: Services, batch: Batch) -> Batch:
    """Print a line for each change. Raises UnknownBatch, StoreUnavailable."""
    shown_text = ""
    while True:
        batch = job_actions.load_batch(services, batch.id)
        text = f"{batch.action}: {batch.done:,} of {batch.total:,}"
        if batch.failed:
            text += f", {batch.failed:,} failed"
        if batch.waits_for:
            text += f", waits: {printable(batch.waits_for)}"
        if text != shown_text:
            click.echo(text)
            shown_text = text
        if batch.ended_at:
            return batch
        time.sleep(POLL_SECONDS)
