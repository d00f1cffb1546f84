"""Small charts drawn by the server: geometry for SVG, and the same in words."""

from collections.abc import Sequence
from math import ceil, log10
from typing import NamedTuple

WIDTH, HEIGHT = 360, 72  # units of the drawing
GAP = 1.5
LEAST_TOP = 4.0  # of the scale
LEAST = 2.0  # of a bar that is not nothing


class Bar(NamedTuple):
    """A rectangle, and what it stands for."""

    x: float
    y: float
    width: float
    height: float
    said: str


class Chart(NamedTuple):
    """Minutes from left to right, the last one still under way."""

    bars: list[Bar]
    top: float
    total: int
    said: str


def of(per_minute: Sequence[float], what: str) -> Chart:
    """`what` names the things that are counted, as in "stored"."""
    top = _round_top(max(per_minute))
    step = WIDTH / len(per_minute)
    bars = [
        _bar(n, value, step, top, _moment(len(per_minute) - 1 - n, value, what))
        for n, value in enumerate(per_minute)
        if value > 0
    ]
    return Chart(bars, top, round(sum(per_minute)), _summary(per_minute, what))


def _bar(n: int, value: float, step: float, top: float, said: str) -> Bar:
    height = max(value / top * HEIGHT, LEAST)
    return Bar(
        round(n * step, 2), round(HEIGHT - height, 2), round(step - GAP, 2), round(height, 2), said
    )


def _moment(ago: int, value: float, what: str) -> str:
    when = "this minute" if ago == 0 else f"{ago} min ago"
    return f"{value:.3g} {what}, {when}"


def _summary(per_minute: Sequence[float], what: str) -> str:
    most = max(per_minute)
    if not most:
        return f"none {what} in the last hour"
    return (
        f"{round(sum(per_minute)):,} {what} in the last hour, "
        f"{most:.3g} at most in a minute, {per_minute[-1]:.3g} in this one"
    )


def _round_top(most: float) -> float:
    """The next of 4, 10, 20, 50, 100, …: a scale that does not jump with every bar."""
    if most <= LEAST_TOP:
        return LEAST_TOP
    size = 10.0 ** ceil(log10(most))
    return next(top for top in (size / 5, size / 2, size) if top >= most)
