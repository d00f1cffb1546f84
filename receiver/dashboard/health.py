"""`GET /health`: how the installation is at this moment and was in the last hour."""

from collections.abc import Mapping
from typing import Any, NamedTuple, cast

from flask import Blueprint, Flask, current_app, render_template
from flask.typing import ResponseReturnValue

from jobs.counts import NOTICES_GIVEN_UP, TIME_TO_STORED
from jobs.errors import StoreUnavailable
from jobs.services import Services
from jobs.states import News, Source, State
from receiver.dashboard import charts, troubles
from receiver.dashboard.guard import shown_to
from receiver.dashboard.vitals import Vitals, Watch

ACCEPTED = tuple(f"{Source.CALLBACK}_{news}" for news in News)
FINAL = (News.READY, News.MODERATED, News.FAILED)
REFUSED = ("callback_refused", "callback_malformed", "callback_unreadable")

_NAME = "fluxkeep-vitals"

blueprint = Blueprint("health", __name__)


def install(app: Flask, services: Services) -> None:
    app.extensions[_NAME] = Watch(services)


@blueprint.get("/health")
@shown_to("read")
def show() -> ResponseReturnValue:
    vitals = cast(Watch, current_app.extensions[_NAME]).vitals()
    if isinstance(vitals, StoreUnavailable):
        return render_template("health_unknown.html", why=str(vitals)), 503, {"Retry-After": "5"}
    return render_template("health.html", **_seen(vitals))


class Period(NamedTuple):
    """What happened in the last hour, or since the counters began where the hour saw nothing."""

    name: str
    counts: Mapping[str, int]


def _seen(vitals: Vitals) -> dict[str, Any]:
    course = vitals.course
    stored = [f"{TIME_TO_STORED.name}_{n}" for n in range(len(TIME_TO_STORED.bounds) + 1)]
    return {
        "vitals": vitals,
        "states": [(state, vitals.tally.jobs[state]) for state in State],
        "troubles": troubles.of(vitals),
        "processes": troubles.PROCESSES,
        "accepted": charts.of(course.per_minute(ACCEPTED), "callbacks accepted"),
        "stored": charts.of(course.per_minute(stored), "jobs stored"),
        "brought": _brought(vitals),
        "quickness": _quickness(vitals),
        "refused": _both(vitals, REFUSED),
        "given_up": _both(vitals, (NOTICES_GIVEN_UP,)),
    }


def _periods(vitals: Vitals) -> tuple[Period, Period]:
    ever = vitals.course.now.counts
    return Period("in the last hour", vitals.course.risen()), Period("since counting began", ever)


def _brought(vitals: Vitals) -> dict[str, Any] | None:
    """Who brought the final words."""
    for period in _periods(vitals):
        said = {source: _sum(period.counts, _final(source)) for source in Source}
        if total := sum(said.values()):
            share = said[Source.CALLBACK] / total
            return {
                "said": said,
                "total": total,
                "share": share,
                "percent": _percent(share),
                "when": period.name,
            }
    return None


def _final(source: Source) -> tuple[str, ...]:
    return tuple(f"{source}_{news}" for news in FINAL)


def _quickness(vitals: Vitals) -> dict[str, Any] | None:
    """From BFL's word that media are ready to their being ours, in seconds."""
    for period in _periods(vitals):
        if number := TIME_TO_STORED.observations(period.counts):
            half, most = (_within(period.counts, share) for share in (0.5, 0.95))
            return {"p50": half, "p95": most, "number": number, "when": period.name}
    return None


def _within(counts: Mapping[str, int], share: float) -> str:
    seconds = TIME_TO_STORED.quantile(counts, share) or 0.0
    if seconds >= TIME_TO_STORED.bounds[-1]:
        return f"over {TIME_TO_STORED.bounds[-1]:.0f} s"
    return f"{seconds:.0f} s" if seconds >= 10 else f"{seconds:.2g} s"


def _percent(share: float) -> str:
    """Only what is whole is called so."""
    shown = f"{100 * share:.3g}"
    return ("99.9" if shown == "100" and share < 1 else shown) + " %"


def _both(vitals: Vitals, names: tuple[str, ...]) -> tuple[int, int]:
    """In the last hour, and ever."""
    hour, ever = (_sum(period.counts, names) for period in _periods(vitals))
    return hour, ever


def _sum(counts: Mapping[str, int], names: tuple[str, ...]) -> int:
    return sum(counts.get(name, 0) for name in names)
