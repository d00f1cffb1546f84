"""`GET /health`: the checks, the current numbers, and what jobs cost."""

from collections import Counter, defaultdict
from itertools import islice
from typing import Any

from flask import Blueprint, render_template
from flask.typing import ResponseReturnValue

from jobs.budget_views import budget_view
from jobs.domain.errors import StoreUnavailable
from jobs.domain.status import Status
from jobs.services import Services
from jobs.store.costs import only
from jobs.store.listing import EXPIRING_READ_MAX
from jobs.store.search_conditions import Search
from receiver.checks import ReadinessResults
from receiver.context import current_services, part
from receiver.dashboard.session import requires_scope
from receiver.ownership import owner
from receiver.shared_value import SharedValue

MAX_AGE_SECONDS = 1.0
EXPIRING_MAX = 8
UNKEPT_MAX = 8
COST_DAYS = 30
MODELS_MAX = 10
ENDED_SECONDS = 3600.0
ENDED_MAX = 3

blueprint = Blueprint("health", __name__)


class Numbers(SharedValue[dict[str, Any]]):
    """The numbers of the installation at one moment; empty while Redis does not answer."""

    def __init__(self, services: Services) -> None:
        super().__init__(lambda: _numbers(services), MAX_AGE_SECONDS)


@blueprint.get("/health")
@requires_scope("read")
def show() -> ResponseReturnValue:
    """503 without Redis; the page then shows the checks alone.

    Who sees only jobs of one key is told which checks failed, and not of how many other jobs.
    """
    key, results = owner(), part(ReadinessResults).get()
    numbers = part(Numbers).get() if key is None else _numbers(current_services(), key)
    if key is not None:
        results = [result._replace(why=result.grade.lower(), remedy="") for result in results]
    page = render_template("health.html", numbers=numbers, results=results)
    return page if numbers else (page, 503, {"Retry-After": "5"})


def _numbers(services: Services, key: str | None = None) -> dict[str, Any]:
    """The numbers of all jobs, or of those of an API key; empty while Redis does not answer."""
    try:
        now = services.store.now()
        seen = [one for one in services.batches.latest() if key in (None, one.key)]
        ended = (one for one in seen if (one.ended_at or 0.0) > now - ENDED_SECONDS)
        batches = [one for one in services.batches.under_way() if key in (None, one.key)]
        found: dict[str, Any] = {
            "at": now,
            "batches": [*batches, *islice(ended, ENDED_MAX)],
            "costs": _costs(services, key),
        }
        if key is None:
            totals, queue = services.metrics.totals(), services.submission_queue
            return found | {
                "totals": totals,
                "jobs": totals.jobs,
                "slots": queue.slot_usage(),
                "open_circuits": queue.open_circuits(),
                "expiring": services.listing.expiring(EXPIRING_MAX),
            }
        ready = Search(statuses=(Status.READY,), owner=key)
        jobs = services.listing.page(ready, EXPIRING_READ_MAX, None).jobs
        jobs.sort(key=lambda job: job.delivery.expire_at or job.deadline)
        counts = services.metrics.jobs_by_status(key)
        return found | {"jobs": counts, "expiring": jobs[:EXPIRING_MAX]}
    except StoreUnavailable:
        return {}


def _costs(services: Services, key: str | None) -> dict[str, Any]:
    """Credits per day, and by model and key; and paid jobs whose media were not kept."""
    days = only(key, services.costs.days(COST_DAYS))
    models = defaultdict[tuple[str | None, str | None], Counter[str]](Counter)
    for day in days:
        for cost in day["costs"]:
            sums: Any = models[cost["model"], cost["key"]]
            sums["credits"] += cost["credits"]
            sums["today"] += cost["credits"] if day is days[-1] else 0
            sums["without_price"] += cost["jobs_without_price"]
    named: list[dict[str, Any]] = [
        {"model": model, "key": name, **sums} for (model, name), sums in models.items()
    ]
    budgets = {}
    for name in services.budgets.by_key:
        if key in (None, name):
            budgets[name] = [budget_view(balance) for balance in services.budgets.balances(name)]
    return {
        "days": days,
        "total": sum(day["credits"] for day in days),
        "top": max(1.0, *(day["credits"] for day in days)),
        "models": sorted(named, key=lambda cost: -cost["credits"])[:MODELS_MAX],
        "unkept": services.costs.unkept(UNKEPT_MAX, key),
        "budgets": budgets,
    }
