"""`GET /`: the jobs, newest first, as pictures or as a list."""

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from flask import Blueprint, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from jobs.bfl import parsing
from jobs.status import Source, Status
from receiver.context import services
from receiver.dashboard import gallery_query, start
from receiver.dashboard.access import shown_to
from receiver.dashboard.gallery_query import BoardQuery, View, address
from receiver.dashboard.job_card import cards
from receiver.schemas.formats import format_cursor

FIND = "find"  # the field that takes any id of a job
CHOICES: Mapping[str, tuple[Status, ...]] = {
    "All": (),
    "Under way": gallery_query.ACTIVE_STATUSES,
    **{state.capitalize(): (state,) for state in Status if state.terminal},
}

blueprint = Blueprint("gallery", __name__)


class Choice(NamedTuple):
    """Some states to show, how many jobs are in them, and where that is shown."""

    text: str
    jobs: int
    address: str
    current: bool


class Condition(NamedTuple):
    """One that was asked for, and the page without it."""

    text: str
    without: str


@blueprint.get("/")
@shown_to("read")
def show() -> ResponseReturnValue:
    """Filters as in the API; what a form says otherwise is put right first."""
    if wanted := request.args.get(FIND, "").strip():
        return _found(wanted)
    if (better := gallery_query.tidied()) is not None:
        return redirect(better, 303)
    asked = BoardQuery.read()
    page = services().listing.page(asked.search(), asked.limit, asked.cursor)
    if not (page.jobs or page.last or asked.cursor or asked.narrowed):
        return start.page()
    return render_template(
        "gallery.html",
        asked=asked,
        cards=cards(services(), page.jobs),
        older=address(cursor=format_cursor(page.last)) if page.last else None,
        newest=address() if asked.cursor else None,
        choices=list(_choices(asked)),
        conditions=list(_conditions()),
        views={"gallery": address(view=None), "list": address(view="list")},
        sources=list(Source),
        clear=_clear(asked.view),
    )


def _found(wanted: str) -> ResponseReturnValue:
    """By its own id or BFL's."""
    known = parsing.TASK_ID.fullmatch(wanted)
    return redirect(url_for("dashboard.job.show", job_id=wanted) if known else "/", 303)


def _clear(view: View) -> str:
    return gallery_query.address_of([("view", view)] if view == "list" else [])


def _choices(asked: BoardQuery) -> Iterator[Choice]:
    """Their numbers are of all jobs: to count those that fit, each would have to be read."""
    counts = services().metrics.totals().jobs
    for text, statuses in CHOICES.items():
        jobs = sum(counts[state] for state in statuses or Status)
        current = set(statuses) == set(asked.status)
        yield Choice(text, jobs, address(status=tuple(statuses)), current)


def _conditions() -> Iterator[Condition]:
    """All but the states and what is no condition, as they stand in the address."""
    for name, value in request.args.items(multi=True):
        if name not in ("status", "view", "limit", "cursor"):
            shown = name.removeprefix("metadata.")
            yield Condition(f"{shown}: {value}", gallery_query.without(name, value))
