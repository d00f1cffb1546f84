"""Budgets: credits that the jobs of an API key may cost in an hour, a day, a week or a month."""

import re
from collections.abc import Mapping, Sequence
from datetime import timedelta
from enum import StrEnum
from types import MappingProxyType
from typing import NamedTuple, Self

from jobs.domain.prices import UNITS_PER_CREDIT
from jobs.domain.timeline import utc

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
