"""Prices of jobs, and budgets of API keys, in credits of BFL."""

import re
from collections.abc import Mapping, Sequence
from datetime import timedelta
from enum import StrEnum
from types import MappingProxyType
from typing import NamedTuple, Self

from jobs.domain.timestamps import utc

UNITS_PER_CREDIT = 10_000  # integers do not drift
CREDITS_MAX = 1_000_000.0  # of one job: an absurd cost must not overflow the sum of a day


def units(credits: float) -> int:
    """Credits as whole numbers that a sum can hold; less than none are none."""
    return round(max(0.0, min(credits, CREDITS_MAX)) * UNITS_PER_CREDIT)


class Price(NamedTuple):
    """The highest price of a job, in credits, by those that BFL has named for its model.

    It `is_known` if BFL named it for such an input, and `is_guess` if BFL has named none for an
    input that differs in its size alone.
    """

    credits: float | None = None
    is_known: bool = False
    is_guess: bool = False


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
