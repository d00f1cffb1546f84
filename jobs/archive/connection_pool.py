"""A pool of connections to a database: no API key takes all of them.

A caller is the name of an API key, or None: callbacks, media links, and processes without requests.
A caller that finds no free connection waits for a moment.
"""

import time
from collections import Counter
from collections.abc import Callable
from threading import Condition
from typing import Any, NamedTuple

IDLE_SECONDS = 30.0  # then a connection is closed, unless it is the only idle one
REOPEN_SECONDS = 0.25  # until another connection is tried after the server refused one


class AllBusy(Exception):
    """No connection became free in time."""


class Place:
    """A caller's turn to use a connection; without a connection the caller opens one."""

    def __init__(self, caller: str | None, connection: Any) -> None:
        self.caller = caller
        self.connection = connection


class _Idle(NamedTuple):
    connection: Any
    since: float


class ConnectionPool:
    """Connections of one process, by threads or greenlets."""

    def __init__(self, size: int, close: Callable[[Any], None]) -> None:
        self._size = size
        self._close_connection = close
        # The last connection is for other keys.
        self._size_for_one_key = max(size - 1, 1)
        self._changed = Condition()
        self._idle: list[_Idle] = []  # the last used one is the last
        self._taken: Counter[str | None] = Counter()
        self._may_open_at = 0.0

    def take(self, caller: str | None, deadline: float) -> Place:
        """Wait for a place until a time of the monotonic clock. Raises AllBusy."""
        with self._changed:
            while not self._has_place_for(caller):
                now = time.monotonic()
                if now >= deadline:
                    raise AllBusy
                wakes_at = deadline
                if self._may_open_at > now:
                    wakes_at = min(deadline, self._may_open_at)
                self._changed.wait(wakes_at - now)
            self._taken[caller] += 1
            connection = None
            if self._idle:
                connection = self._idle.pop().connection
        return Place(caller, connection)

    def _has_place_for(self, caller: str | None) -> bool:
        if caller is not None and self._taken[caller] >= self._size_for_one_key:
            return False
        if self._idle:
            return True
        has_room = self._taken.total() < self._size
        return has_room and time.monotonic() >= self._may_open_at

    def give_back(self, place: Place) -> None:
        """Give a place back, with its connection if that is still of use."""
        with self._changed:
            self._taken[place.caller] -= 1
            if not self._taken[place.caller]:
                del self._taken[place.caller]
            if place.connection is not None:
                self._idle.append(_Idle(place.connection, time.monotonic()))
            surplus = self._take_surplus()
            self._changed.notify_all()
        for connection in surplus:
            self._close_connection(connection)

    def _take_surplus(self) -> list[Any]:
        """Connections that nobody has used for long: other processes may need them."""
        surplus = []
        used_since = time.monotonic() - IDLE_SECONDS
        while len(self._idle) > 1 and self._idle[0].since < used_since:
            surplus.append(self._idle.pop(0).connection)
        return surplus

    def pause_opening(self) -> None:
        """The server refuses further connections: wait until an open one is free."""
        with self._changed:
            self._may_open_at = time.monotonic() + REOPEN_SECONDS

    def close_idle(self) -> None:
        """Close the connections that nobody uses."""
        with self._changed:
            idle = self._idle
            self._idle = []
        for entry in idle:
            self._close_connection(entry.connection)
