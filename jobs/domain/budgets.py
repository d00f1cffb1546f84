"""Prices of jobs, and budgets of API keys, in credits of BFL."""

import re
from collections.abc import Mapping, Sequence
from datetime import timedelta
from enum import StrEnum
from math import ceil
from types import MappingProxyType
from typing import Any, NamedTuple, Self

from jobs.domain.timeline import utc

UNITS_PER_CREDIT = 10_000  # integers do not drift
CREDITS_MAX = 1_000_000.0  # of one job: an absurd cost must not overflow the sum of a day
SIDE_DEFAULT = 1024
SIDE_MAX = 65_536
MEGAPIXEL = 2**20
MEDIA = "media"
_FACTORS = (
    "mode",
    "resolution",
    "duration",
    "draft",
    "generate_audio",
    "grounding",
    "upscale_factor",
)
_VALUE = re.compile(r"[A-Za-z0-9._:-]{1,16}", re.ASCII)
# A reference of a kept input (`jobs/kept_inputs.py`), or a URL that BFL fetches.
_MEDIA = re.compile(r"(input|json):[0-9]{1,2}|https?://.*|data:.*", re.DOTALL | re.IGNORECASE)


def units(credits: float) -> int:
    return round(max(-CREDITS_MAX, min(credits, CREDITS_MAX)) * UNITS_PER_CREDIT)


class Price(NamedTuple):
    """The last price, in credits; unless it `is_known` for this class, the dearest of the model."""

    credits: float | None = None
    is_known: bool = False


def price_class(values: Mapping[str, Any]) -> str:
    """The mode and size class of a kept input, as one text."""
    parts = []
    for name in _FACTORS:
        value = values.get(name)
        if isinstance(value, str | int | float) and _VALUE.fullmatch(str(value)):
            parts.append(f"{name}={value}")
    sides = [values.get(name) for name in ("width", "height")]
    given = [side for side in sides if isinstance(side, int) and 0 < side <= SIDE_MAX]
    if given:
        width, height = (*given, SIDE_DEFAULT)[:2]
        parts.append(f"{ceil(width * height / MEGAPIXEL)}mp")  # whole ones, as BFL bills them
    if has_media(values):
        parts.append(MEDIA)
    return " ".join(parts)


def has_media(values: Mapping[str, Any]) -> bool:
    """Whether it has images or videos, whose size the price may depend on."""
    return any(
        isinstance(value, list | dict) or (isinstance(value, str) and _MEDIA.fullmatch(value))
        for value in values.values()
    )


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
