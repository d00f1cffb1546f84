"""Check of the credits left at BFL: a warning before the account is empty."""

from collections.abc import Iterator
from itertools import dropwhile

from receiver.account import ASKING
from receiver.checks import bfl
from receiver.checks.context import Context
from receiver.checks.result import Result, ok, warning

NAME = "credits"
LOW_CREDITS = 25.0  # a handful of pictures
LOW_DAYS = 3.0
PACE_DAYS = 7

_BUY = "Buy more on BFL's dashboard: without credits submissions wait."


def check(context: Context) -> Iterator[Result]:
    """Raises StoreUnavailable."""
    if not bfl.has_account(context.settings):
        return
    balance = context.balance
    if balance is ASKING:
        yield ok(NAME, balance.reason)
    elif balance.credits is None:
        yield warning(NAME, f"not known: {balance.reason}", bfl.remedy(balance.reason))
    elif balance.credits > max(LOW_CREDITS, LOW_DAYS * (pace := _credits_per_day(context))):
        yield ok(NAME, f"{balance.text} left")
    else:
        yield warning(NAME, f"{balance.text} left{_until_empty(balance.credits, pace)}", _BUY)


def _credits_per_day(context: Context) -> float:
    """The mean of the last days since the first that cost anything."""
    days = [day.credits for day in context.services.costs.days(PACE_DAYS)]
    spent = list(dropwhile(lambda credits_spent: not credits_spent, days))
    return sum(spent) / max(len(spent), 1)


def _until_empty(left: float, pace: float) -> str:
    return f", enough for {left / pace:.1f} days at the present pace" if pace > 0 < left else ""
