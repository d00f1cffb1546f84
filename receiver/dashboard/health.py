"""`GET /health`: the checks, the numbers of this moment and of the last hour."""

from collections.abc import Mapping
from typing import Any, NamedTuple, cast

from flask import Blueprint, Flask, current_app, render_template
from flask.typing import ResponseReturnValue

from jobs.errors import StoreUnavailable
from jobs.services import Services
from jobs.status import ReportKind, Source, Status
from jobs.store.counters import NOTICES_GIVEN_UP, TIME_TO_STORED
from receiver.context import app_state
from receiver.dashboard import charts
from receiver.dashboard.access import shown_to
from receiver.dashboard.health_snapshot import HealthSnapshot
from receiver.ttl_cache import TtlCache

ACCEPTED = tuple(f"{Source.CALLBACK}_{news}" for news in ReportKind)
FINAL = (ReportKind.READY, ReportKind.MODERATED, ReportKind.FAILED)
REFUSED = ("callback_refused", "callback_malformed", "callback_unreadable")

_NAME = "fluxkeep-health-snapshot"

blueprint = Blueprint("health", __name__)


def install(app: Flask, services: Services) -> None:
    app.extensions[_NAME] = TtlCache(lambda: HealthSnapshot.read(services))


@blueprint.get("/health")
@shown_to("read")
def show() -> ResponseReturnValue:
    cached = cast(TtlCache[HealthSnapshot | StoreUnavailable], current_app.extensions[_NAME])
    snapshot, results = cached.get(), app_state().check_results.get()
    failed = [result for result in results if not result.ok]
    if isinstance(snapshot, StoreUnavailable):
        page = render_template("health.html", snapshot=None, results=results, failed=failed)
        return page, 503, {"Retry-After": "5"}
    return render_template("health.html", results=results, failed=failed, **_numbers(snapshot))


class Period(NamedTuple):
    """Counters of the last hour, or since counting began where the hour has none."""

    name: str
    counts: Mapping[str, int]


def _numbers(snapshot: HealthSnapshot) -> dict[str, Any]:
    course = snapshot.course
    stored = [f"{TIME_TO_STORED.name}_{n}" for n in range(len(TIME_TO_STORED.bounds) + 1)]
    return {
        "snapshot": snapshot,
        "states": [(state, snapshot.totals.jobs[state]) for state in Status],
        "accepted": charts.of(course.per_minute(ACCEPTED), "callbacks accepted"),
        "stored": charts.of(course.per_minute(stored), "jobs stored"),
        "brought": _brought(snapshot),
        "quickness": _quickness(snapshot),
        "refused": _both(snapshot, REFUSED),
        "given_up": _both(snapshot, (NOTICES_GIVEN_UP,)),
    }


def _periods(snapshot: HealthSnapshot) -> tuple[Period, Period]:
    ever = snapshot.course.now.counts
    return Period("in the last hour", snapshot.course.increases()), Period(
        "since counting began", ever
    )


def _brought(snapshot: HealthSnapshot) -> dict[str, Any] | None:
    """Who brought the final words."""
    for period in _periods(snapshot):
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


def _quickness(snapshot: HealthSnapshot) -> dict[str, Any] | None:
    """From BFL's word that media are ready to their being ours, in seconds."""
    for period in _periods(snapshot):
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


def _both(snapshot: HealthSnapshot, names: tuple[str, ...]) -> tuple[int, int]:
    """In the last hour, and ever."""
    hour, ever = (_sum(period.counts, names) for period in _periods(snapshot))
    return hour, ever


def _sum(counts: Mapping[str, int], names: tuple[str, ...]) -> int:
    return sum(counts.get(name, 0) for name in names)
