"""Balance of the BFL account for the health page, asked for in the background."""

import time
from dataclasses import dataclass
from typing import NamedTuple

import gevent

from jobs.bfl.client import BflClient
from jobs.errors import BflUnavailable
from jobs.store.costs import Day
from receiver.credits import amount, balance

REFRESH_SECONDS = 60.0
WARNING_DAYS = 3.0


class Balance(NamedTuple):
    """Credits that are left, or why they are not known."""

    credits: float | None = None
    reason: str = ""

    @property
    def text(self) -> str:
        return amount(self.credits) if self.credits is not None else self.reason

    def warning(self, days: list[Day]) -> str:
        """When the account will be empty at the pace of the last days; empty if not soon."""
        pace = sum(day.credits for day in days) / len(days)
        if self.credits is None or self.credits > pace * WARNING_DAYS:
            return ""
        if self.credits <= 0:
            return "The credits are used up. Buy more on BFL's dashboard."
        return f"Enough for {self.credits / pace:.1f} days at the pace of the last {len(days)}."


_ASKING = Balance(reason="asking BFL …")


@dataclass(slots=True)
class Account:
    """A page never waits for BFL: it shows the last balance, and has it asked for again."""

    bfl: BflClient
    _balance: Balance = _ASKING
    _refresh_at: float = 0.0

    def balance(self) -> Balance:
        if time.monotonic() >= self._refresh_at:
            self._refresh_at = time.monotonic() + REFRESH_SECONDS
            gevent.spawn(self._refresh)
        return self._balance

    def _refresh(self) -> None:
        try:
            self._balance = Balance(balance(self.bfl))
        except BflUnavailable as error:
            self._balance = Balance(reason=str(error))
