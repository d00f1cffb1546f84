"""Total deadlines for HTTP exchanges, however slowly their bytes arrive.

A socket timeout bounds the silence between two bytes. One thread for the whole process bounds
the rest: it shuts down the connections of an exchange at its deadline.
"""

import socket
import threading
import time
import weakref
from contextlib import suppress
from contextvars import ContextVar

SHUT_DOWN_AGAIN_SECONDS = 0.2
IDLE_SECONDS = 60.0  # the thread sleeps for so long while there is no exchange


class Connections:
    """The sockets of one exchange, and whether any bytes were sent."""

    def __init__(self) -> None:
        self.is_sent = False
        self._sockets: list[weakref.ref[socket.socket]] = []

    def add(self, opened: socket.socket) -> None:
        self._sockets.append(weakref.ref(opened))

    def shut_down(self) -> None:
        """Shut the sockets down: their reader gets an error or an end of file."""
        for reference in list(self._sockets):
            with suppress(OSError):  # closed meanwhile
                if opened := reference():
                    opened.shutdown(socket.SHUT_RDWR)


# Each thread (and each greenlet of the web process) has an exchange of its own.
current: ContextVar[Connections] = ContextVar("connections")
_by_thread: dict[int, Connections] = {}


class Watchdog:
    """Shut connections down at a deadline; `reason` is not empty once that happened."""

    def __init__(self, connections: Connections, seconds: float) -> None:
        self.reason = ""
        self.ends_at = time.monotonic() + max(seconds, 0.0)
        self._connections = connections
        self._thread = threading.get_ident()

    def __enter__(self) -> "Watchdog":
        _by_thread[self._thread] = self._connections
        _timer.add(self)
        return self

    def __exit__(self, *_: object) -> None:
        _timer.remove(self)
        _by_thread.pop(self._thread, None)

    def expire(self, now: float) -> None:
        """Shut down now, and again soon: another connection may open at the same time."""
        self.reason = "the transfer took too long"
        self.ends_at = now + SHUT_DOWN_AGAIN_SECONDS
        self._connections.shut_down()


class _Timer:
    """The thread that waits for the next deadline in this process."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._watchdogs: set[Watchdog] = set()
        self._thread: threading.Thread | None = None
        self._wakes_at = 0.0

    def add(self, watchdog: Watchdog) -> None:
        with self._changed:
            self._watchdogs.add(watchdog)
            if self._thread is None or not self._thread.is_alive():  # or it was lost in a fork
                self._thread = threading.Thread(target=self._run, name="watchdog", daemon=True)
                self._thread.start()
            elif watchdog.ends_at < self._wakes_at:
                self._changed.notify()

    def remove(self, watchdog: Watchdog) -> None:
        with self._changed:
            self._watchdogs.discard(watchdog)

    def _run(self) -> None:
        with self._changed:
            while True:
                now = time.monotonic()
                for watchdog in [one for one in self._watchdogs if one.ends_at <= now]:
                    watchdog.expire(now)
                ends = min((one.ends_at for one in self._watchdogs), default=now + IDLE_SECONDS)
                self._wakes_at = ends
                self._changed.wait(max(ends - now, 0.0))


_timer = _Timer()


def abort_transfer(thread: int) -> None:
    """Shut down the exchange of a thread, as when another worker took its job over."""
    if connections := _by_thread.get(thread):
        connections.shut_down()
