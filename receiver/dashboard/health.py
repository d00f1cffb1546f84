"""`GET /health`: the checks, the current numbers, and the last hour."""

from collections.abc import Mapping
from typing import Any, NamedTuple, cast

from flask import Blueprint, Flask, current_app, render_template
from flask.typing import ResponseReturnValue

from jobs.errors import StoreUnavailable
from jobs.services import Services
from jobs.status import ReportKind, Source, Status
from jobs.store.counters import REFUSED_CALLBACKS, TIME_TO_STORED, Counter, report_counter
from receiver.context import app_state
from receiver.dashboard import charts
from receiver.dashboard.access import requires_scope
from receiver.dashboard.account import Account
from receiver.dashboard.health_snapshot import HealthSnapshot
from receiver.shared_value import SharedValue

ACCEPTED = tuple(report_counter(Source.CALLBACK, kind) for kind in ReportKind)
FINAL = (ReportKind.READY, ReportKind.MODERATED, ReportKind.FAILED)
ABANDONED = (Counter.NOTIFICATION_GIVEN_UP,)
STORED = tuple(f"{TIME_TO_STORED.name}_{n}" for n in range(len(TIME_TO_STORED.bounds) + 1))

MAX_AGE_SECONDS = 1.0
PACE_DAYS = 7

_EXTENSION = "fluxkeep-health-snapshot"
_ACCOUNT = "fluxkeep-account"

blueprint = Blueprint("health", __name__)


def install(app: Flask, services: Services) -> None:
    app.extensions[_ACCOUNT] = Account(services.bfl)
    app.extensions[_EXTENSION] = SharedValue(lambda: HealthSnapshot.read(services), MAX_AGE_SECONDS)


@blueprint.get("/health")
@requires_scope("read")
def show() -> ResponseReturnValue:
    """503 without Redis; the page then shows the checks alone."""
    cached = cast(
        SharedValue[HealthSnapshot | StoreUnavailable], current_app.extensions[_EXTENSION]
    )
    snapshot, results = cached.get(), app_state().check_results.get()
    failed = [result for result in results if not result.ok]
    if isinstance(snapshot, StoreUnavailable):
        page = render_template("health.html", snapshot=None, results=results, failed=failed)
        return page, 503, {"Retry-After": "5"}
    return render_template("health.html", results=results, failed=failed, **_numbers(snapshot))


class Period(NamedTuple):
    """Increases of all counters within a period."""

    name: str
    counts: Mapping[str, int]


def _numbers(snapshot: HealthSnapshot) -> dict[str, Any]:
    series = snapshot.series
    hour = Period("in the last hour", series.increases())
    total = Period("in total", series.now.counts)
    return {
        "snapshot": snapshot,
        "statuses": [(status, snapshot.totals.jobs[status]) for status in Status],
        "accepted": charts.draw(series.per_minute(ACCEPTED), "callbacks accepted"),
        "stored": charts.draw(series.per_minute(STORED), "jobs stored"),
        "callback_share": _callback_share(hour) or _callback_share(total),
        "latency": _latency(hour) or _latency(total),
        "refused": (_sum(hour, REFUSED_CALLBACKS), _sum(total, REFUSED_CALLBACKS)),
        "costs": _costs(snapshot),
        "abandoned": (_sum(hour, ABANDONED), _sum(total, ABANDONED)),
    }


def _costs(snapshot: HealthSnapshot) -> dict[str, Any]:
    """Credits per day, what the account has left, and paid jobs whose media were not kept."""
    balance = cast(Account, current_app.extensions[_ACCOUNT]).balance()
    unkept, ids = snapshot.unkept
    return {
        "days": snapshot.days,
        "chart": charts.draw_days(snapshot.days),
        "today": snapshot.days[-1].costs,
        "balance": balance,
        "warning": balance.warning(snapshot.days[-PACE_DAYS:]),
        "unkept": unkept,
        "unkept_ids": ids,
    }


def _callback_share(period: Period) -> dict[str, Any] | None:
    """How many final reports came by callback; None without any."""
    by_source = {
        source: _sum(period, tuple(report_counter(source, kind) for kind in FINAL))
        for source in Source
    }
    reports = sum(by_source.values())
    if not reports:
        return None
    share = by_source[Source.CALLBACK] / reports
    return {
        "by_source": by_source,
        "reports": reports,
        "share": share,
        "percent": _percent(share),
        "period": period.name,
    }


def _latency(period: Period) -> dict[str, Any] | None:
    """Quantiles of the time from `ready` to `stored`; None if nothing was stored."""
    jobs = TIME_TO_STORED.observations(period.counts)
    if not jobs:
        return None
    median, p95 = (_quantile(period.counts, share) for share in (0.5, 0.95))
    return {"median": median, "p95": p95, "jobs": jobs, "period": period.name}


def _quantile(counts: Mapping[str, int], share: float) -> str:
    seconds = TIME_TO_STORED.quantile(counts, share) or 0.0
    if seconds >= TIME_TO_STORED.bounds[-1]:
        return f"over {TIME_TO_STORED.bounds[-1]:.0f} s"
    return f"{seconds:.0f} s" if seconds >= 10 else f"{seconds:.2g} s"


def _percent(share: float) -> str:
    """100 % only if nothing is missing."""
    rounded = f"{100 * share:.3g}"
    return ("99.9" if rounded == "100" and share < 1 else rounded) + " %"


def _sum(period: Period, names: tuple[str, ...]) -> int:
    return sum(period.counts.get(name, 0) for name in names)
