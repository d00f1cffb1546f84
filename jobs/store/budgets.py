"""Sums of the budgets of API keys, reserves of submissions, and the prices that BFL last named.

The script that writes a record checks the budgets, and books reserve and cost. A job whose price
nobody knows reserves all that is left, so that no second one is sent until BFL has named a price.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from jobs.bfl.price_classes import bounded_price, price_class
from jobs.domain import budgets, errors
from jobs.domain.budgets import UNITS_PER_CREDIT, Balance, Budget, NamedBudgets, Price, units
from jobs.domain.job import Job
from jobs.domain.status import Status
from jobs.store.costs import LIVES, RESERVED, SPENT, budget_key
from jobs.store.redis.client import StoreClient
from jobs.store.redis.clock import Clock
from jobs.store.redis.keys import PRICES_PREFIX, UNPRICED_ENDED_PREFIX, UNPRICED_PREFIX

REFUSED_FIELD = "refused"
WARNED = b"done"
WARNING_CLAIM_SECONDS = 60.0
UNPRICED_MAX = 100  # ids that are read of each set


class Budgets:
    """Raises StoreUnavailable."""

    def __init__(self, redis: StoreClient, clock: Clock, budgets_by_key: NamedBudgets) -> None:
        self._redis = redis
        self._clock = clock
        self.by_key = budgets_by_key

    def balances(self, key: str | None) -> list[Balance]:
        """The balances of an API key in the present periods; empty if it has no budget."""
        key_name = key or ""
        key_budgets = self.by_key.get(key_name, ())
        now = self._clock.now()
        with self._redis.round_trip() as pipe:
            for budget in key_budgets:
                pipe.hmget(budget_key(budget.period, now, key_name), SPENT, RESERVED)
            sums_of_budgets = pipe.execute()
        balances = []
        for budget, (spent, reserved) in zip(key_budgets, sums_of_budgets, strict=True):
            resets_at = budget.period.ends_at(now)
            balances.append(Balance(budget, int(spent or 0), int(reserved or 0), resets_at))
        return balances

    def credits_left(self, key: str | None) -> float | None:
        """Credits that its jobs may still cost; None without a budget."""
        return min((balance.credits_left for balance in self.balances(key)), default=None)

    def price(self, model: str | None, values: Mapping[str, Any]) -> Price:
        """The highest price of a kept input, by the prices that BFL last named."""
        return self.prices([model], values)[0]

    def prices(self, models: Sequence[str | None], values: Mapping[str, Any]) -> list[Price]:
        """The highest price of a kept input of each model."""
        with self._redis.round_trip() as pipe:
            for model in models:
                pipe.hgetall(f"{PRICES_PREFIX}{model}")
            prices_of_models = pipe.execute()
        return [
            _price(model, named_prices, values)
            for model, named_prices in zip(models, prices_of_models, strict=True)
        ]

    # Jobs whose price nobody knows.

    def unpriced_jobs(self, key: str) -> list[str]:
        """Ids of jobs of an API key that hold a budget, or used it, at an unknown price."""
        job_ids: list[str] = []
        for prefix in (UNPRICED_PREFIX, UNPRICED_ENDED_PREFIX):
            members = self._redis.zrange(prefix + key, 0, UNPRICED_MAX - 1)
            job_ids += [job_id.decode() for job_id in members]
        return job_ids

    def held_since(self, key: str) -> float | None:
        """Creation time of the oldest job under way that holds all that is left of a budget."""
        oldest = self._redis.zrange(UNPRICED_PREFIX + key, 0, 0, withscores=True)
        for _, created_at in oldest:
            return float(created_at)
        return None

    # Warnings.

    def has_refused(self, key: str, balance: Balance) -> bool:
        """Whether a job was refused: what is left may be less than any job costs."""
        return self._field(key, balance.budget, REFUSED_FIELD) is not None

    def may_warn(self, key: str, budget: Budget, warning: str) -> bool:
        """Claim a warning for a minute, unless it was given in this period."""
        now = self._clock.now()
        claimed_at = self._field(key, budget, warning)
        if claimed_at == WARNED:
            return False
        if claimed_at is not None and float(claimed_at) > now - WARNING_CLAIM_SECONDS:
            return False
        self._set_field(key, budget, warning, f"{now:.3f}")
        return True

    def end_warning(self, key: str, budget: Budget, warning: str) -> None:
        self._set_field(key, budget, warning, WARNED.decode())

    def _field(self, key: str, budget: Budget, name: str) -> bytes | None:
        sums_key = budget_key(budget.period, self._clock.now(), key)
        value: bytes | None = self._redis.hget(sums_key, _field_name(budget, name))
        return value

    def _set_field(self, key: str, budget: Budget, name: str, value: str) -> None:
        sums_key = budget_key(budget.period, self._clock.now(), key)
        self._redis.write_essential(
            ("HSET", sums_key, _field_name(budget, name), value),
            ("EXPIRE", sums_key, LIVES[budget.period]),
        )

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
        is_priced = after.submission.reserve is not None and not after.submission.is_guess
        if is_priced and (has_waited or is_sent_again):
            return after.with_submission(reserved_at=now)
        price = self.price(after.model, after.request.kept_input or {})
        if price.is_bound:
            return after.with_submission(reserve=price.credits, is_guess=False, reserved_at=now)
        credits_left = self.credits_left(after.request.key) or 0.0
        # A guess that is more than all that is left is refused by the script.
        reserve = max(credits_left, price.credits or 0.0)
        return after.with_submission(reserve=reserve, is_guess=True, reserved_at=now)

    def limits(self, before: Job | None, after: Job, now: float) -> list[Any]:
        """Arguments of the script: the new reserve, a count, then sums and limit of each budget."""
        if not is_reserved_anew(before, after):
            return [0, 0]
        key = after.request.key or ""
        key_budgets = self.by_key[key]
        arguments: list[Any] = [units(after.submission.reserve or 0.0), len(key_budgets)]
        for budget in key_budgets:
            arguments += [budget_key(budget.period, now, key), budget.units]
        return arguments

    def refusal(self, job: Job) -> errors.OverBudget:
        """The error for a job that a budget has no room for."""
        key = job.request.key or ""
        balances = self.balances(key)
        now = self._clock.now()
        price = Price(job.submission.reserve)
        if job.submission.is_guess:
            price = self.price(job.model, job.request.kept_input or {})
        refusal = budgets.over_budget(balances, price.credits, now)
        held_since = self.held_since(key)
        if held_since is not None and not refusal.is_final:
            refusal = budgets.unknown_price(balances, held_since, now)
        else:
            for balance in balances:
                if str(balance.budget) == refusal.budget:
                    self._set_field(key, balance.budget, REFUSED_FIELD, "1")
        refusal.price = price.credits
        refusal.is_guess = not price.is_bound
        return refusal


def new_price(before: Job | None, after: Job) -> tuple[str, str, int | str]:
    """The price that BFL has just named for a submission: its hash, class and value."""
    nothing = ("", "", "")
    values = after.request.kept_input
    if not after.is_submission or values is None or after.cost is None:
        return nothing
    if before is not None and before.cost == after.cost:
        return nothing
    is_made = not after.status.terminal or after.status is Status.STORED
    if not is_made:
        return nothing
    input_class = price_class(after.model, values)
    if not input_class.is_certain:  # its price would count for another class
        return nothing
    return f"{PRICES_PREFIX}{after.model}", input_class.name, units(after.cost)


def is_reserved_anew(before: Job | None, after: Job) -> bool:
    reserved_at = after.submission.reserved_at
    if reserved_at is None or after.status.terminal:
        return False
    return before is None or before.submission.reserved_at != reserved_at


def _field_name(budget: Budget, name: str) -> str:
    """The field of a warning; a budget whose limit is changed is another one."""
    return f"{name} {budget.limit}"


def _price(
    model: str | None, named_prices: Mapping[bytes, bytes], values: Mapping[str, Any]
) -> Price:
    prices = {
        class_name.decode(): int(price_units) / UNITS_PER_CREDIT
        for class_name, price_units in named_prices.items()
    }
    input_class = price_class(model, values)
    is_of_one_price = input_class.is_certain and not input_class.has_media
    if is_of_one_price and input_class.name in prices:
        return Price(prices[input_class.name], is_known=True)
    highest_price, is_guess = bounded_price(input_class, prices)
    return Price(highest_price, is_guess=is_guess)
