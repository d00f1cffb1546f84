"""Budgets of API keys: what is left, reserves of new submissions, and last known prices.

The script that writes a record checks the budgets, and books reserve and cost.
"""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

from pydantic import Field
from typing_extensions import TypedDict

from jobs.bfl.price_classes import bounded_price, price_class
from jobs.domain import errors
from jobs.domain.budgets import (
    UNITS_PER_CREDIT,
    Budget,
    NamedBudgets,
    Period,
    Price,
    units,
)
from jobs.domain.job import Job
from jobs.domain.status import Status
from jobs.domain.timestamps import rfc3339
from jobs.store.costs import LIVES, RESERVED, SPENT, budget_key
from jobs.store.redis.client import StoreClient
from jobs.store.redis.clock import Clock
from jobs.store.redis.keys import PRICES_PREFIX

REFUSED, DONE = "refused", b"done"
CLAIM_SECONDS = 60.0
UNKNOWN_RETRY_SECONDS = 5.0  # BFL names a price as soon as it accepts the job


class BudgetView(TypedDict):
    """A budget of an API key, in credits."""

    limit: float
    period: Period
    spent: Annotated[float, Field(description="settled or quoted by BFL")]
    reserved: Annotated[float, Field(description="for jobs that BFL has not quoted yet")]
    left: float
    resets_at: Annotated[str, Field(json_schema_extra={"format": "date-time"})]


class Budgets:
    """Raises StoreUnavailable."""

    def __init__(self, redis: StoreClient, clock: Clock, budgets: NamedBudgets) -> None:
        self._redis = redis
        self._clock = clock
        self.by_key = budgets

    def views(self, key: str | None) -> list[BudgetView]:
        """The budgets of an API key, in the present periods; empty if it has none."""
        budgets, now = self.by_key.get(key or "", ()), self._clock.now()
        with self._redis.round_trip() as pipe:
            for one in budgets:
                pipe.hmget(budget_key(one.period, now, key or ""), SPENT, RESERVED)
            found = pipe.execute()
        return [_view(one, now, *sums) for one, sums in zip(budgets, found, strict=True)]

    def left(self, key: str | None) -> float | None:
        """Credits that its jobs may still cost; None without a budget."""
        return min((one["left"] for one in self.views(key)), default=None)

    def price(self, model: str | None, values: Mapping[str, Any]) -> Price:
        """The highest price of a kept input, by the prices that BFL last named."""
        return self.prices([model], values)[0]

    def prices(self, models: Sequence[str | None], values: Mapping[str, Any]) -> list[Price]:
        """The highest price of a kept input of each model."""
        with self._redis.round_trip() as pipe:
            for model in models:
                pipe.hgetall(f"{PRICES_PREFIX}{model}")
            found = pipe.execute()
        return [_price(model, named, values) for model, named in zip(models, found, strict=True)]

    # Warnings.

    def used_percent(self, key: str, view: BudgetView) -> float:
        """100 as soon as a job was refused: the rest may be less than any job costs."""
        used = 100 * (view["spent"] + view["reserved"]) / view["limit"] if view["limit"] else 100
        return 100 if self._field(key, view, REFUSED) else used

    def may_warn(self, key: str, view: BudgetView, warning: str) -> bool:
        """Claim a warning of a period for a minute, unless it was given."""
        found, now = self._field(key, view, warning), self._clock.now()
        if found is not None and (found == DONE or float(found) > now - CLAIM_SECONDS):
            return False
        self._set(key, view, warning, f"{now:.3f}")
        return True

    def end_warning(self, key: str, view: BudgetView, warning: str) -> None:
        self._set(key, view, warning, DONE.decode())

    def _field(self, key: str, view: BudgetView, name: str) -> bytes | None:
        sums = budget_key(view["period"], self._clock.now(), key)
        found: bytes | None = self._redis.hget(sums, f"{name} {view['limit']}")
        return found

    def _set(self, key: str, view: BudgetView, name: str, value: str) -> None:
        sums, life = budget_key(view["period"], self._clock.now(), key), LIVES[view["period"]]
        field = f"{name} {view['limit']}"  # a budget that is changed is another one
        self._redis.write_essential(("HSET", sums, field, value), ("EXPIRE", sums, life))

    # For the store.

    def reserve(self, before: Job | None, after: Job, now: float) -> Job:
        """Reserve the price of a job that is new or replayed, or that takes a slot at last."""
        if after.request.key not in self.by_key or after.status is not Status.QUEUED:
            return after
        has_waited = before is not None and before.submission.awaits_budget
        is_sent_again = (
            before is not None and after.submission.unanswered > before.submission.unanswered
        )
        is_new = before is None or before.status.terminal or has_waited or is_sent_again
        if not is_new or after.submission.awaits_budget:
            return after
        is_priced = after.submission.reserve is not None
        if is_priced and (has_waited or is_sent_again):
            return after.with_submission(reserved_at=now)
        price = self.price(after.model, after.request.kept_input or {})
        return after.with_submission(
            reserve=price.credits, is_guess=price.is_guess, reserved_at=now
        )

    def limits(self, before: Job | None, after: Job, now: float) -> list[Any]:
        """Arguments of the script: the new reserve, count, then sums and limit of each budget."""
        if not is_reserved_anew(before, after):
            return [0, 0]
        key = after.request.key or ""
        found = [(budget_key(one.period, now, key), one.units) for one in self.by_key[key]]
        pairs = [part for pair in found for part in pair]
        return [units(after.submission.reserve or 0.0), len(found), *pairs]

    def refusal(self, job: Job, *, is_noted: bool = True) -> errors.OverBudget:
        """The error for a job that a budget has no room for: of several, the last to reset."""
        price, views = job.submission.reserve, self.views(job.request.key)
        is_over = [one["left"] <= 0 or one["left"] < (price or 0.0) for one in views]
        full = [view for view, over in zip(views, is_over, strict=True) if over] or views
        too_small = [one for one in views if one["limit"] < (price or 0.0)]
        view = max(too_small or full, key=lambda one: one["resets_at"])
        budget = Budget(view["limit"], view["period"])
        detail = (
            f"The budget of this key is {budget}, of which {view['left']:.12g} credits are left "
            f"until {view['resets_at']}; this job would cost about {price or 0:.12g}"
            f"{', more than all of it' if too_small else ''}."
        )
        now = self._clock.now()
        if is_noted:
            self._set(job.request.key or "", view, REFUSED, "1")
        refused = errors.OverBudget(detail, str(budget), view["spent"], budget.period.ends_at(now))
        refused.price, refused.retry_after = price, refused.resets_at - now
        refused.is_final = bool(too_small)
        return refused

    def unknown_price(self, job: Job) -> errors.PriceUnknown:
        """The error for a job whose price another one has to find out."""
        known, now = self.refusal(job, is_noted=False), self._clock.now()
        refused = errors.PriceUnknown("", known.budget, known.spent, now + UNKNOWN_RETRY_SECONDS)
        refused.retry_after = UNKNOWN_RETRY_SECONDS
        return refused


def new_price(before: Job | None, after: Job) -> tuple[str, str, int | str]:
    """The price that BFL has just named for a submission: its hash, class and value."""
    values, known = after.request.kept_input, before and before.cost
    is_made = not after.status.terminal or after.status is Status.STORED
    if not after.is_submission or values is None or not is_made or after.cost in (None, known):
        return "", "", ""
    priced = price_class(after.model, values)
    if not priced.is_certain:  # its price would count for another class
        return "", "", ""
    return f"{PRICES_PREFIX}{after.model}", priced.name, units(after.cost or 0.0)


def is_reserved_anew(before: Job | None, after: Job) -> bool:
    reserved_at = after.submission.reserved_at
    is_new = before is None or before.submission.reserved_at != reserved_at
    return is_new and reserved_at is not None and not after.status.terminal


def _price(model: str | None, named: Mapping[bytes, bytes], values: Mapping[str, Any]) -> Price:
    prices = {name.decode(): int(number) / UNITS_PER_CREDIT for name, number in named.items()}
    wanted = price_class(model, values)
    if wanted.is_certain and not wanted.has_media and wanted.name in prices:
        return Price(prices[wanted.name], is_known=True)
    most, is_guess = bounded_price(wanted, prices)
    return Price(most, is_guess=is_guess)


def _view(budget: Budget, now: float, spent: bytes | None, reserved: bytes | None) -> BudgetView:
    found = [int(number or 0) for number in (spent, reserved)]
    return {
        "limit": budget.limit,
        "period": budget.period,
        "spent": found[0] / UNITS_PER_CREDIT,
        "reserved": found[1] / UNITS_PER_CREDIT,
        "left": max(budget.units - sum(found), 0) / UNITS_PER_CREDIT,
        "resets_at": rfc3339(budget.period.ends_at(now)),
    }
