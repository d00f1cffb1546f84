"""Bar charts for the health page: SVG geometry, and the same numbers in words."""

from collections.abc import Sequence
from math import ceil, log10
from typing import NamedTuple

from jobs.store.costs import Day

WIDTH, HEIGHT = 360, 72  # SVG units
GAP = 1.5
SCALE_TOP_MIN = 4.0
BAR_HEIGHT_MIN = 2.0  # so that one event among thousands is still visible


class Bar(NamedTuple):
    """A rectangle in SVG units, with its value in words."""

    x: float
    y: float
    width: float
    height: float
    label: str


class Chart(NamedTuple):
    """Counts per minute or day from left to right; the last one is not over."""

    bars: list[Bar]
    top: float
    total: int
    summary: str


def draw(per_minute: Sequence[float], unit: str) -> Chart:
    """A chart of counts; `unit` names what is counted, such as "jobs stored"."""
    last = len(per_minute) - 1
    labels = [_label(last - n, value, unit) for n, value in enumerate(per_minute)]
    return _chart(per_minute, labels, _summary(per_minute, unit))


def draw_days(days: Sequence[Day]) -> Chart:
    """A chart of credits per day."""
    spent = [day.credits for day in days]
    labels = [f"{day.credits:,.4g} credits on {day.day}" for day in days]
    return _chart(spent, labels, f"{sum(spent):,.0f} credits in the last {len(days)} days")


def _chart(values: Sequence[float], labels: Sequence[str], summary: str) -> Chart:
    top, step = _round_up(max(values)), WIDTH / len(values)
    bars = []
    for n, (value, label) in enumerate(zip(values, labels, strict=True)):
        if value > 0:
            height = max(value / top * HEIGHT, BAR_HEIGHT_MIN)
            x, y = round(n * step, 2), round(HEIGHT - height, 2)
            bars.append(Bar(x, y, round(step - GAP, 2), round(height, 2), label))
    return Chart(bars, top, round(sum(values)), summary)


def _label(minutes_ago: int, value: float, unit: str) -> str:
    when = "this minute" if minutes_ago == 0 else f"{minutes_ago} min ago"
    return f"{value:.3g} {unit}, {when}"


def _summary(per_minute: Sequence[float], unit: str) -> str:
    most = max(per_minute)
    if not most:
        return f"no {unit} in the last hour"
    return (
        f"{round(sum(per_minute)):,} {unit} in the last hour, "
        f"at most {most:.3g} in a minute, {per_minute[-1]:.3g} in this minute"
    )


def _round_up(value: float) -> float:
    """The next of 4, 10, 20, 50, 100, …, so that the scale rarely changes."""
    if value <= SCALE_TOP_MIN:
        return SCALE_TOP_MIN
    magnitude = 10.0 ** ceil(log10(value))
    return next(top for top in (magnitude / 5, magnitude / 2, magnitude) if top >= value)
