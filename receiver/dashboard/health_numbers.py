"""The numbers of the health page: of the whole installation, or of the jobs of one API key."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from jobs.budget_views import BudgetView, budget_view
from jobs.domain.errors import StoreUnavailable
from jobs.domain.job import Job
from jobs.domain.status import Status
from jobs.services import Services
from jobs.store.batch_actions import Batch
from jobs.store.costs import DayView, costs_of_key
from jobs.store.listing import EXPIRING_READ_MAX
from jobs.store.search_conditions import Search
from receiver.shared_value import SharedValue

MAX_AGE_SECONDS = 1.0
EXPIRING_MAX = 8
UNKEPT_MAX = 8
COST_DAYS = 30
MODELS_MAX = 10
ENDED_SECONDS = 3600.0
ENDED_MAX = 3


class HealthNumbers(SharedValue[dict[str, Any]]):
    """The numbers of the installation at one moment; empty while Redis does not answer."""

    def __init__(self, services: Services) -> None:
        super().__init__(partial(read_numbers, services), MAX_AGE_SECONDS)


def read_numbers(services: Services, key: str | None = None) -> dict[str, Any]:
    """The numbers of all jobs, or of the jobs of an API key; empty while Redis does not answer."""
    try:
        now = services.store.now()
        numbers = {
            "at": now,
            "batches": _batches(services, key, now),
            "costs": _costs(services, key),
        }
        if key is None:
            numbers.update(_jobs_of_all_keys(services))
        else:
            numbers.update(_jobs_of_key(services, key))
    except StoreUnavailable:
        return {}
    return numbers


def _batches(services: Services, key: str | None, now: float) -> list[Batch]:
    """The batches under way, and some that ended within the last hour."""
    ended_since = now - ENDED_SECONDS
    ended = []
    for batch in services.batches.latest():
        if _is_seen(batch, key) and batch.ended_at and batch.ended_at > ended_since:
            ended.append(batch)
    under_way = [batch for batch in services.batches.under_way() if _is_seen(batch, key)]
    return under_way + ended[:ENDED_MAX]


def _is_seen(batch: Batch, key: str | None) -> bool:
    return key is None or batch.key == key


def _jobs_of_all_keys(services: Services) -> dict[str, Any]:
    totals = services.metrics.totals()
    return {
        "totals": totals,
        "jobs": totals.jobs,
        "slots": services.submission_queue.slot_usage(),
        "open_circuits": services.submission_queue.open_circuits(),
        "expiring": services.listing.expiring(EXPIRING_MAX),
    }


def _jobs_of_key(services: Services, key: str) -> dict[str, Any]:
    ready = Search(statuses=(Status.READY,), owner=key)
    jobs = services.listing.page(ready, EXPIRING_READ_MAX, None).jobs
    jobs.sort(key=_expires_at)
    return {
        "jobs": services.metrics.jobs_by_status(key),
        "expiring": jobs[:EXPIRING_MAX],
    }


def _expires_at(job: Job) -> float:
    return job.delivery.expire_at or job.deadline


def _costs(services: Services, key: str | None) -> dict[str, Any]:
    """Credits per day, and by model and key; and paid jobs whose media were not kept."""
    days = costs_of_key(key, services.costs.days(COST_DAYS))
    credits_of_days = [day["credits"] for day in days]
    largest = max(credits_of_days)
    return {
        "days": days,
        "total": sum(credits_of_days),
        "top": max(1.0, largest),
        "models": _costs_by_model(days)[:MODELS_MAX],
        "unkept": services.costs.unkept(UNKEPT_MAX, key),
        "budgets": _budgets(services, key),
    }


def _budgets(services: Services, key: str | None) -> dict[str, list[BudgetView]]:
    """The budgets by the name of their API key."""
    budgets = {}
    for name in services.budgets.by_key:
        if key is None or name == key:
            balances = services.budgets.balances(name)
            budgets[name] = [budget_view(balance) for balance in balances]
    return budgets


@dataclass(slots=True)
class ModelCosts:
    """Costs of the jobs of an API key with a model; either is None where it is not known."""

    model: str | None
    key: str | None
    credits: float = 0.0
    today: float = 0.0
    without_price: int = 0


def _costs_by_model(days: Sequence[DayView]) -> list[ModelCosts]:
    """The costs by model and key, the largest first."""
    costs_by_model: dict[tuple[str | None, str | None], ModelCosts] = {}
    for day in days:
        is_today = day is days[-1]
        for cost in day["costs"]:
            model_and_key = (cost["model"], cost["key"])
            costs = costs_by_model.setdefault(model_and_key, ModelCosts(*model_and_key))
            costs.credits += cost["credits"]
            costs.without_price += cost["jobs_without_price"]
            if is_today:
                costs.today += cost["credits"]
    return sorted(costs_by_model.values(), key=_credits, reverse=True)


def _credits(costs: ModelCosts) -> float:
    return costs.credits
