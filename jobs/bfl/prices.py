"""Prices and other numbers in BFL's answers."""

import math
from contextlib import suppress
from typing import Any, NamedTuple

from jobs.bfl.result_files import strip_signatures
from jobs.domain.budgets import CREDITS_MAX

COST_MAX_CHARS = 40


class NamedCost(NamedTuple):
    """A price in credits, or the text of what BFL named in its place."""

    credits: float | None = None
    unusable: str | None = None


def named_cost(*values: Any) -> NamedCost:
    """The first of several values that is a usable price.

    A usable price is finite and not negative, and no more than a job can cost. Any other value must
    not change the books: a negative price would refill a budget.
    """
    unusable = None
    for value in values:
        if value is None:
            continue
        price = _price(value)
        if price is not None:
            return NamedCost(price)
        if not unusable:
            unusable = strip_signatures(str(value))[:COST_MAX_CHARS]
    return NamedCost(None, unusable)


def _price(value: Any) -> float | None:
    """A price as a number or as the text of one; None if no job can have it."""
    price = number(value)
    if isinstance(value, str) and len(value) <= COST_MAX_CHARS:
        with suppress(ValueError):
            price = float(value)
    if price is None or not math.isfinite(price):
        return None
    if price < 0 or price > CREDITS_MAX:
        return None
    return price


def number(value: Any) -> float | None:
    """A JSON number as a float; None for all else, and for what a float cannot hold."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        return float(value)
    except OverflowError:
        return None
