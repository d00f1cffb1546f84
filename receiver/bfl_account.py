"""Credits of the BFL account, for the command line, the checks and the health page."""

import time
from dataclasses import dataclass
from typing import NamedTuple, Self

import gevent

from jobs.bfl.client import BflClient
from jobs.domain.errors import BflUnavailable

REFRESH_SECONDS = 60.0
WAIT_SECONDS = 0.5


class Balance(NamedTuple):
    """Credits that are left, or why they are not known."""

    credits: float | None = None
    reason: str = ""

    @property
    def text(self) -> str:
        """`1,234 credits ($12.34)`; a credit is a US cent (BFL's docs)."""
        if self.credits is None:
            return self.reason
        sign = "-" if self.credits < 0 else ""
        number = f"{self.credits:,.2f}".removesuffix(".00")
        return f"{number} credits ({sign}${abs(self.credits) / 100:,.2f})"

    @classmethod
    def ask(cls, bfl: BflClient) -> Self:
        try:
            return cls(bfl.credits_left())
        except BflUnavailable as error:
            return cls(reason=str(error))


ASKING = Balance(reason="asking BFL …")


@dataclass(slots=True)
class Account:
    """The last balance. It is asked for again in the background: nobody waits long for BFL."""

    bfl: BflClient
    _balance: Balance = ASKING
    _refresh_at: float = 0.0

    def balance(self) -> Balance:
        if time.monotonic() >= self._refresh_at:
            self._refresh_at = time.monotonic() + REFRESH_SECONDS
            gevent.spawn(self._refresh).join(WAIT_SECONDS)
        return self._balance

    def _refresh(self) -> None:
        self._balance = Balance.ask(self.bfl)
