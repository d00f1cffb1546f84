"""`GET /`: the jobs as images, newest first."""

from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple
from urllib.parse import urlencode

from flask import Blueprint, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from jobs.bfl import parsing
from jobs.domain.status import Source, Status
from jobs.store.listing import Page
from jobs.store.search_conditions import Search
from receiver import ownership
from receiver.context import current_services
from receiver.dashboard import event_stream, gallery_filters, start
from receiver.dashboard.gallery_filters import GalleryQuery
from receiver.dashboard.job_card import cards
from receiver.dashboard.session import requires_scope
from receiver.schemas.formats import format_cursor

ALL = "All"

blueprint = Blueprint("gallery", __name__)


class Tab(NamedTuple):
    """A tab of the gallery: its name, the number of its jobs, and its address."""

    name: str
    jobs: int
    address: str


def _statuses_by_tab() -> Mapping[str, Sequence[Status]]:
    statuses: dict[str, Sequence[Status]] = {
        ALL: [],  # no filter
        "Active": [status for status in Status if not status.terminal],
    }
    for status in Status:
        if status.terminal:
            statuses[status.capitalize()] = [status]
    return statuses


STATUSES_BY_TAB = _statuses_by_tab()


@blueprint.get("/")
@requires_scope("read")
def show() -> ResponseReturnValue:
    """List jobs by the API's filters; redirect a form to the address that can be shared."""
    job_id = request.args.get("find", "").strip()
    if job_id:
        return _redirect_to_job(job_id)
    sent_parameters = gallery_filters.parameters()
    normalized = gallery_filters.normalize(sent_parameters)
    if normalized != sent_parameters:
        return redirect(f"/?{urlencode(normalized)}".rstrip("?"), 303)
    query = GalleryQuery.read()
    search = query.search()
    is_filtered = search != Search()
    event_stream.begin_page()
    page = ownership.load_page(current_services(), search, query.limit, query.cursor)
    has_no_jobs = not page.jobs and page.last is None
    if has_no_jobs and not is_filtered and query.cursor is None:
        return start.page()
    return render_template(
        "gallery.html",
        query=query,
        is_filtered=is_filtered,
        cards=cards(current_services(), page.jobs),
        older=_older_address(page),
        is_cut=page.is_cut,
        newest=gallery_filters.address() if query.cursor else None,
        tabs=_tabs(),
        tab_of_all=ALL,
        all_statuses_address=gallery_filters.address(status=[]),
        current_tab=_tab_of(query.status),
        is_starred=gallery_filters.is_starred(),
        starred_address=gallery_filters.starred_address(),
        filters=gallery_filters.active_filters(),
        parameters_but_words=gallery_filters.parameters_except("q"),
        parameters_but_fields=gallery_filters.parameters_except(
            "model", "source", "since", "until"
        ),
        sources=list(Source),
    )


def _redirect_to_job(job_id: str) -> ResponseReturnValue:
    """The page of a job, by its own id or by BFL's; the gallery for any other text."""
    if not parsing.TASK_ID.fullmatch(job_id):
        return redirect("/", 303)
    return redirect(url_for("dashboard.job.show", job_id=job_id), 303)


def _older_address(page: Page) -> str | None:
    """The page with older jobs; None if there are none."""
    if page.last is None:
        return None
    return gallery_filters.address(cursor=format_cursor(page.last))


def _tabs() -> list[Tab]:
    """The tabs with the numbers of all their jobs, whatever the other filters are.

    To count the jobs that match would mean to read each.
    """
    counts = current_services().metrics.jobs_by_status(ownership.owner())
    tabs = []
    for name, statuses in STATUSES_BY_TAB.items():
        jobs = sum(counts[status] for status in statuses or Status)
        tabs.append(Tab(name, jobs, gallery_filters.address(status=statuses)))
    return tabs


def _tab_of(statuses: Collection[Status]) -> str | None:
    """The tab that shows these statuses, if one does."""
    for name, statuses_of_tab in STATUSES_BY_TAB.items():
        if set(statuses_of_tab) == set(statuses):
            return name
    return None
