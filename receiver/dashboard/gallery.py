"""`GET /`: the jobs, newest first, as pictures or as a table."""

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from flask import Blueprint, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from jobs.bfl import parsing
from jobs.status import Source, Status
from receiver.context import services
from receiver.dashboard import gallery_query, start
from receiver.dashboard.access import requires_scope
from receiver.dashboard.gallery_query import GalleryQuery, Layout, address
from receiver.dashboard.job_card import cards
from receiver.schemas.formats import format_cursor

ID_FIELD = "find"  # the form field that takes a job id or a task id
TABS: Mapping[str, tuple[Status, ...]] = {
    "All": (),
    "Active": gallery_query.ACTIVE_STATUSES,
    **{status.capitalize(): (status,) for status in Status if status.terminal},
}

blueprint = Blueprint("gallery", __name__)


class Tab(NamedTuple):
    """A link to the jobs in some statuses, with their number."""

    text: str
    jobs: int
    address: str
    is_current: bool


class Filter(NamedTuple):
    """An active filter, and the address of the page without it."""

    text: str
    address_without: str


@blueprint.get("/")
@requires_scope("read")
def show() -> ResponseReturnValue:
    """List jobs by the API's filters; redirect a form to the address that can be shared."""
    if job_id := request.args.get(ID_FIELD, "").strip():
        return _redirect_to_job(job_id)
    if (normalized := gallery_query.normalized_address()) is not None:
        return redirect(normalized, 303)
    query = GalleryQuery.read()
    page = services().listing.page(query.search(), query.limit, query.cursor)
    if not (page.jobs or page.last or query.cursor or query.is_filtered):
        return start.page()
    return render_template(
        "gallery.html",
        query=query,
        cards=cards(services(), page.jobs),
        older=address(cursor=format_cursor(page.last)) if page.last else None,
        newest=address() if query.cursor else None,
        tabs=list(_tabs(query)),
        filters=list(_filters()),
        layouts={"gallery": address(view=None), "list": address(view="list")},
        sources=list(Source),
        unfiltered=_unfiltered(query.view),
    )


def _redirect_to_job(job_id: str) -> ResponseReturnValue:
    is_id = parsing.TASK_ID.fullmatch(job_id)
    return redirect(url_for("dashboard.job.show", job_id=job_id) if is_id else "/", 303)


def _unfiltered(layout: Layout) -> str:
    return gallery_query.address_of([("view", layout)] if layout == "list" else [])


def _tabs(query: GalleryQuery) -> Iterator[Tab]:
    """Counts are of all jobs: counting those that match would mean to read each one."""
    counts = services().metrics.totals().jobs
    for text, statuses in TABS.items():
        jobs = sum(counts[status] for status in statuses or Status)
        is_current = set(statuses) == set(query.status)
        yield Tab(text, jobs, address(status=tuple(statuses)), is_current)


def _filters() -> Iterator[Filter]:
    """All active filters except the status, which the tabs show."""
    for name, value in request.args.items(multi=True):
        if name not in ("status", "view", "limit", "cursor"):
            label = name.removeprefix("metadata.")
            yield Filter(f"{label}: {value}", gallery_query.address_without(name, value))
