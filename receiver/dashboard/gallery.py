"""`GET /`: the jobs as images, newest first."""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple
from urllib.parse import urlencode

from flask import Blueprint, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from jobs.bfl import parsing
from jobs.domain.status import Source, Status
from jobs.store.search_conditions import Search
from receiver import ownership
from receiver.context import services
from receiver.dashboard import event_stream, start
from receiver.dashboard.access import requires_scope
from receiver.dashboard.job_card import cards
from receiver.schemas.formats import format_cursor
from receiver.schemas.query import METADATA, ListQuery, PageSize

ID_FIELD = "find"  # the form field that takes a job id or a task id
PAGE_SIZE = 48
TABS: Mapping[str, list[Status]] = {
    "All": [],
    "Active": [status for status in Status if not status.terminal],
    **{status.capitalize(): [status] for status in Status if status.terminal},
}

FORM_FIELDS = ("model", "source", "since", "until")
FILTER_NAMES = {"q": "words"}
STARRED = (f"{METADATA}.starred", "true")
_MINUTE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}")

blueprint = Blueprint("gallery", __name__)


class GalleryQuery(ListQuery):
    """The query parameters of `GET /api/jobs`."""

    limit: PageSize = PAGE_SIZE

    @property
    def is_filtered(self) -> bool:
        return self.search() != Search()


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
        is_id = parsing.TASK_ID.fullmatch(job_id)
        return redirect(url_for("dashboard.job.show", job_id=job_id) if is_id else "/", 303)
    given = list(request.args.items(multi=True))
    normalized = _normalize_all(given)
    if normalized != given:
        return redirect(f"/?{urlencode(normalized)}".rstrip("?"), 303)
    query = GalleryQuery.read()
    event_stream.begin_page()
    page = ownership.page(services(), query.search(), query.limit, query.cursor)
    if not (page.jobs or page.last or query.cursor or query.is_filtered):
        return start.page()
    return render_template(
        "gallery.html",
        query=query,
        cards=cards(services(), page.jobs),
        older=_address(cursor=format_cursor(page.last)) if page.last else None,
        is_cut=page.is_cut,
        newest=_address() if query.cursor else None,
        tabs=list(_tabs(query)),
        starred=_starred(),
        filters=list(active_filters()),
        others_than_words=_given_except("q"),
        without_fields=_given_except(*FORM_FIELDS),
        sources=list(Source),
    )


def _given_except(*names: str) -> list[tuple[str, str]]:
    """The parameters that a form keeps; it begins at the newest job."""
    return [one for one in request.args.items(multi=True) if one[0] not in (*names, "cursor")]


def _normalize_all(given: Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
    """Metadata come last; of those with one name the last: the form repeats what it replaces."""
    pairs = [pair for name, value in given for pair in _normalize(name, value.strip())]
    metadata = {name: value for name, value in pairs if name.startswith(f"{METADATA}.")}
    return [pair for pair in pairs if pair[0] not in metadata] + [*metadata.items()]


def _normalize(name: str, value: str) -> Iterator[tuple[str, str]]:
    """A field of the form as the API takes it; none if it is empty."""
    if not value:
        return
    if name == METADATA:  # the form has one field for all metadata: `user=42`
        key, _, text = value.partition("=")
        yield f"{METADATA}.{key.strip()}", text.strip()
    elif name in ("since", "until"):
        yield name, f"{value}:00Z" if _MINUTE.fullmatch(value) else value  # of a date field
    else:
        yield name, value


def _tabs(query: GalleryQuery) -> Iterator[Tab]:
    """Those with jobs. Counts are of all jobs: counting what matches would mean to read each."""
    counts = services().metrics.jobs_by_status(ownership.owner())
    for text, statuses in TABS.items():
        jobs = sum(counts[status] for status in statuses or Status)
        is_current = set(statuses) == set(query.status)
        if jobs or is_current or not statuses:
            yield Tab(text, jobs, _address(status=statuses), is_current)


def _starred() -> Tab:
    """A link to the starred ones of the jobs shown; where it is current, to all of them."""
    name, value = STARRED
    is_current = request.args.get(name) == value
    return Tab("Starred", 0, _address(**{name: None if is_current else value}), is_current)


def active_filters() -> Iterator[Filter]:
    """All active filters except the status, which the tabs show."""
    for name, value in request.args.items(multi=True):
        if name not in ("status", "limit", "cursor"):
            others = [one for one in request.args.getlist(name) if one != value]
            text = f"{FILTER_NAMES.get(name, name.removeprefix('metadata.'))}: {value}"
            text = "Starred" if (name, value) == STARRED else text
            yield Filter(text, _address(**{name: others}))


def _address(**changes: Any) -> str:
    """The first page with changed parameters; None or an empty list removes one."""
    given: dict[str, Any] = request.args.to_dict(flat=False)
    return url_for("dashboard.gallery.show", **(given | {"cursor": None} | changes))
