"""Credits of the BFL account, for the command line, the checks and the health page."""

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

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
        sign = ""
        if self.credits < 0:
            sign = "-"
        number = f"{self.credits:,.2f}".removesuffix(".00")
        return f"{number} credits ({sign}${abs(self.credits) / 100:,.2f})"


ASKING = Balance(reason="asking BFL …")
Clients = Mapping[str | None, BflClient]
Balances = Mapping[str | None, Balance]  # by the name of an API key; None: of BFL_API_KEY


def ask_all(clients: Clients) -> Balances:
    """The balance of each BFL key; without any key, the error of each client."""
    clients_with_key = {name: client for name, client in clients.items() if client.has_key}
    balances: dict[str | None, Balance] = {}
    for name, client in (clients_with_key or clients).items():
        balances[name] = _ask(client)
    return balances


def _ask(client: BflClient) -> Balance:
    try:
        return Balance(client.credits_left())
    except BflUnavailable as error:
        return Balance(reason=str(error))


@dataclass(slots=True)
class Account:
    """The latest balances. They are refreshed in the background: nobody waits long for BFL."""

    clients: Clients
    _balances: Balances = field(default_factory=lambda: {None: ASKING})
    _refresh_at: float = 0.0

    def balances(self) -> Balances:
        if time.monotonic() >= self._refresh_at:
            self._refresh_at = time.monotonic() + REFRESH_SECONDS
            gevent.spawn(self._refresh).join(WAIT_SECONDS)
        return self._balances

    def _refresh(self) -> None:
        self._balances = ask_all(self.clients)
