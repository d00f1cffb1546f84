"""`GET /`: the jobs as images, newest first."""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import urlencode

from flask import Blueprint, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from jobs.bfl import parsing
from jobs.domain.status import Source, Status
from jobs.store.search_conditions import Search
from receiver import ownership
from receiver.context import current_services
from receiver.dashboard import event_stream, start
from receiver.dashboard.job_card import cards
from receiver.dashboard.session import requires_scope
from receiver.schemas.formats import format_cursor
from receiver.schemas.query import METADATA, ListQuery, PageSize

PAGE_SIZE = 48
TABS: Mapping[str, list[Status]] = {
    "All": [],
    "Active": [status for status in Status if not status.terminal],
    **{status.capitalize(): [status] for status in Status if status.terminal},
}

STARRED = (f"{METADATA}.starred", "true")
_MINUTE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}")

blueprint = Blueprint("gallery", __name__)


class GalleryQuery(ListQuery):
    """The query parameters of `GET /api/jobs`."""

    limit: PageSize = PAGE_SIZE


@blueprint.get("/")
@requires_scope("read")
def show() -> ResponseReturnValue:
    """List jobs by the API's filters; redirect a form to the address that can be shared."""
    if job_id := request.args.get("find", "").strip():  # a job id or a task id
        is_id = parsing.TASK_ID.fullmatch(job_id)
        return redirect(url_for("dashboard.job.show", job_id=job_id) if is_id else "/", 303)
    given = list(request.args.items(multi=True))
    normalized = _normalize(given)
    if normalized != given:
        return redirect(f"/?{urlencode(normalized)}".rstrip("?"), 303)
    query = GalleryQuery.read()
    search = query.search()
    event_stream.begin_page()
    page = ownership.page(current_services(), search, query.limit, query.cursor)
    if not (page.jobs or page.last or query.cursor or search != Search()):
        return start.page()
    # Counts are of all jobs: counting what matches would mean to read each.
    counts = current_services().metrics.jobs_by_status(ownership.owner())
    is_starred = request.args.get(STARRED[0]) == STARRED[1]
    return render_template(
        "gallery.html",
        query=query,
        is_filtered=search != Search(),
        cards=cards(current_services(), page.jobs),
        older=_address(cursor=format_cursor(page.last)) if page.last else None,
        is_cut=page.is_cut,
        newest=_address() if query.cursor else None,
        tabs=[
            (name, sum(counts[status] for status in statuses or Status), _address(status=statuses))
            for name, statuses in TABS.items()
        ],
        current_tab=next((name for name in TABS if set(TABS[name]) == set(query.status)), None),
        is_starred=is_starred,
        starred=_address(**{STARRED[0]: None if is_starred else STARRED[1]}),
        filters=list(active_filters()),
        others_than_words=_given_except("q"),
        without_fields=_given_except("model", "source", "since", "until"),
        sources=list(Source),
    )


def _given_except(*names: str) -> list[tuple[str, str]]:
    """The parameters that a form keeps; it begins at the newest job."""
    return [one for one in request.args.items(multi=True) if one[0] not in (*names, "cursor")]


def _normalize(given: Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
    """The fields of the form as the API takes them, without empty ones.

    Metadata come last; of those with one name the last: the form repeats what it replaces.
    """
    found, metadata = list[tuple[str, str]](), dict[str, str]()
    for name, text in given:
        value = text.strip()
        if name == METADATA and value:  # the form has one field for all metadata: `user=42`
            key, _, value = value.partition("=")
            metadata[f"{METADATA}.{key.strip()}"] = value.strip()
        elif name.startswith(f"{METADATA}.") and value:
            metadata[name] = value
        elif value:
            is_minute = name in ("since", "until") and _MINUTE.fullmatch(value)  # of a date field
            found.append((name, f"{value}:00Z" if is_minute else value))
    return [*found, *metadata.items()]


def active_filters() -> Iterator[tuple[str, str]]:
    """Texts of all filters except the status, which the tabs show, and the page without each."""
    for name, value in request.args.items(multi=True):
        if name not in ("status", "limit", "cursor"):
            others = [one for one in request.args.getlist(name) if one != value]
            label = "words" if name == "q" else name.removeprefix(f"{METADATA}.")
            text = "Starred" if (name, value) == STARRED else f"{label}: {value}"
            yield text, _address(**{name: others})


def _address(**changes: Any) -> str:
    """The first page with changed parameters; None or an empty list removes one."""
    given: dict[str, Any] = request.args.to_dict(flat=False)
    return url_for("dashboard.gallery.show", **(given | {"cursor": None} | changes))
