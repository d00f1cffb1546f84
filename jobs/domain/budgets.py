"""Prices of jobs, and budgets of API keys, in credits of BFL."""

import re
from collections.abc import Mapping, Sequence
from datetime import timedelta
from enum import StrEnum
from types import MappingProxyType
from typing import NamedTuple, Self

from jobs.domain import errors
from jobs.domain.timestamps import rfc3339, utc

UNITS_PER_CREDIT = 10_000  # integers do not drift
CREDITS_MAX = 1_000_000.0  # of one job: an absurd cost must not overflow the sum of a day
# BFL names a price as soon as it accepts a job, or when the job has ended.
UNKNOWN_PRICE_LEAST_SECONDS = 5.0
UNKNOWN_PRICE_MOST_SECONDS = 900.0


def units(credits: float) -> int:
    """Credits as whole numbers that a sum can hold; less than none are none."""
    return round(max(0.0, min(credits, CREDITS_MAX)) * UNITS_PER_CREDIT)


class Price(NamedTuple):
    """The highest price of a job, in credits, by those that BFL has named for its model.

    It `is_known` if BFL named it for such an input, and `is_guess` if BFL has named none for an
    input that differs in its size alone. `credits` is None if BFL has named none at all.
    """

    credits: float | None = None
    is_known: bool = False
    is_guess: bool = False

    @property
    def is_bound(self) -> bool:
        """Whether a job costs no more than this."""
        return self.credits is not None and not self.is_guess


_FORM = re.compile(r"([0-9]{1,9}(?:\.[0-9]{1,4})?)/(hour|day|week|month)")


class Period(StrEnum):
    """Period of a budget, in UTC; a week begins on Monday."""

    HOUR = "hour"
    DAY = "day"
    WEEK = "week"
    MONTH = "month"

    def begins_at(self, at: float) -> float:
        """When the period with this time began."""
        hour = utc(at).replace(minute=0, second=0, microsecond=0)
        day = hour.replace(hour=0)
        begins = {
            Period.HOUR: hour,
            Period.DAY: day,
            Period.WEEK: day - timedelta(days=day.weekday()),
            Period.MONTH: day.replace(day=1),
        }
        return begins[self].timestamp()

    def ends_at(self, at: float) -> float:
        """When the period with this time ends, and the next one begins."""
        longest = {Period.HOUR: 1, Period.DAY: 24, Period.WEEK: 7 * 24, Period.MONTH: 31 * 24}
        return self.begins_at(self.begins_at(at) + longest[self] * 3600)


class Budget(NamedTuple):
    """Credits of a period."""

    limit: float
    period: Period

    @classmethod
    def parse(cls, text: str) -> Self:
        """Parse `500/month`. Raises ValueError."""
        form = _FORM.fullmatch(text)
        if form is None:
            raise ValueError("a budget is credits/hour, /day, /week or /month, as in 500/month")
        return cls(float(form[1]), Period(form[2]))

    @property
    def units(self) -> int:
        return round(self.limit * UNITS_PER_CREDIT)

    def __str__(self) -> str:
        return f"{self.limit:.12g}/{self.period}"


NamedBudgets = Mapping[str, Sequence[Budget]]  # by the name of the API key
NO_BUDGETS: NamedBudgets = MappingProxyType({})


class Balance(NamedTuple):
    """The spent and the reserved part of a budget in its present period, in units."""

    budget: Budget
    spent: int
    reserved: int
    resets_at: float

    @property
    def credits_left(self) -> float:
        """Credits that jobs may still cost."""
        units_left = self.budget.units - self.spent - self.reserved
        return max(units_left, 0) / UNITS_PER_CREDIT

    @property
    def used_percent(self) -> float:
        if not self.budget.units:
            return 100.0
        return 100 * (self.spent + self.reserved) / self.budget.units

    @property
    def spent_percent(self) -> float:
        """The spent part of the budget, without the reserves, in percent."""
        if not self.budget.units:
            return 100.0
        return 100 * self.spent / self.budget.units

    def has_room(self, price: float) -> bool:
        return self.credits_left > 0 and price <= self.credits_left


def over_budget(balances: Sequence[Balance], price: float | None, now: float) -> errors.OverBudget:
    """The error for a job that a budget has no room for: of several, the last to reset."""
    least_price = price or 0.0
    full_balances = [balance for balance in balances if not balance.has_room(least_price)]
    too_small_balances = [balance for balance in balances if balance.budget.limit < least_price]
    candidates = balances
    if full_balances:
        candidates = full_balances
    if too_small_balances:
        candidates = too_small_balances
    balance = max(candidates, key=lambda candidate: candidate.resets_at)
    detail = (
        f"The budget of this key is {balance.budget}, of which {balance.credits_left:.12g} credits "
        f"are left until {rfc3339(balance.resets_at)}; "
    )
    if price is None:
        detail += "BFL has not named the price of such a job yet"
    else:
        detail += f"this job would cost about {price:.12g}"
    if too_small_balances:
        detail += ", more than all of it"
    spent_credits = balance.spent / UNITS_PER_CREDIT
    refusal = errors.OverBudget(f"{detail}.", str(balance.budget), spent_credits, balance.resets_at)
    refusal.retry_after = balance.resets_at - now
    refusal.is_final = bool(too_small_balances)
    return refusal


def unknown_price(
    balances: Sequence[Balance], held_since: float, now: float
) -> errors.PriceUnknown:
    """The error while a job of unknown price, sent at `held_since`, holds the rest of a budget."""
    balance = min(balances, key=lambda candidate: candidate.credits_left)
    # The longer BFL has named no price, the longer it may take.
    retry_after = max((now - held_since) / 4, UNKNOWN_PRICE_LEAST_SECONDS)
    retry_after = min(retry_after, UNKNOWN_PRICE_MOST_SECONDS, balance.resets_at - now)
    detail = (
        f"The budget of this key is {balance.budget}. A job whose price BFL has not named yet "
        f"holds what was left of it."
    )
    spent_credits = balance.spent / UNITS_PER_CREDIT
    refusal = errors.PriceUnknown(detail, str(balance.budget), spent_credits, now + retry_after)
    refusal.retry_after = retry_after
    return refusal
