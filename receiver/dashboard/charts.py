"""Bar chart of credits per day: SVG geometry, and the same numbers in words."""

from collections.abc import Sequence
from math import ceil, log10
from typing import NamedTuple

from jobs.store.costs import Day

WIDTH, HEIGHT = 360, 72  # SVG units
GAP = 1.5
SCALE_TOP_MIN = 4.0
BAR_HEIGHT_MIN = 2.0  # so that one credit among thousands is still visible


class Bar(NamedTuple):
    """A rectangle in SVG units, with its value in words."""

    x: float
    y: float
    width: float
    height: float
    label: str


class Chart(NamedTuple):
    """Credits per day from left to right; `top` is the end of the scale."""

    bars: list[Bar]
    top: float
    total: int
    summary: str


def draw(days: Sequence[Day]) -> Chart:
    """A bar for each day that cost anything."""
    total = sum(day.credits for day in days)
    top, step = _round_up(max(day.credits for day in days)), WIDTH / len(days)
    bars = []
    for n, day in enumerate(days):
        if day.credits > 0:
            height = max(day.credits / top * HEIGHT, BAR_HEIGHT_MIN)
            x, y = round(n * step, 2), round(HEIGHT - height, 2)
            label = f"{day.credits:,.4g} credits on {day.day}"
            bars.append(Bar(x, y, round(step - GAP, 2), round(height, 2), label))
    return Chart(bars, top, round(total), f"{total:,.0f} credits in the last {len(days)} days")


def _round_up(value: float) -> float:
    """The next of 4, 10, 20, 50, 100, …, so that the scale rarely changes."""
    if value <= SCALE_TOP_MIN:
        return SCALE_TOP_MIN
    magnitude = 10.0 ** ceil(log10(value))
    return next(top for top in (magnitude / 5, magnitude / 2, magnitude) if top >= value)
