"""Total deadlines for exchanges over the network, however slowly their bytes arrive.

A time-out bounds the silence between two bytes; one thread for the whole process bounds the rest:
it shuts the connections of an exchange down when its time is over.
"""

import socket
import threading
import time
import weakref
from contextlib import suppress
from contextvars import ContextVar

CUT_AGAIN_SECONDS = 0.2
IDLE_SECONDS = 60.0  # how long the thread sleeps while there is nothing to watch


class Wire:
    """The connections of one exchange, and whether anything was sent over them yet."""

    def __init__(self) -> None:
        self.sent = False
        self._sockets: list[weakref.ref[socket.socket]] = []

    def add(self, opened: socket.socket) -> None:
        self._sockets.append(weakref.ref(opened))

    def cut(self) -> None:
        """Shut the connections down: their reader gets an error or an end."""
        for reference in list(self._sockets):
            with suppress(OSError):  # closed meanwhile
                if opened := reference():
                    opened.shutdown(socket.SHUT_RDWR)


# Each thread (and each greenlet of the web process) has the wire of its own exchange.
current: ContextVar[Wire] = ContextVar("wire")
_under_way: dict[int, Wire] = {}  # by thread


class Watchdog:
    """Cut an exchange's connections at a deadline; `reason` says whether that happened."""

    def __init__(self, wire: Wire, seconds: float) -> None:
        self.reason = ""
        self.ends_at = time.monotonic() + max(seconds, 0.0)
        self._wire = wire
        self._thread = threading.get_ident()

    def __enter__(self) -> "Watchdog":
        _under_way[self._thread] = self._wire
        _watch.add(self)
        return self

    def __exit__(self, *_: object) -> None:
        _watch.remove(self)
        _under_way.pop(self._thread, None)

    def bite(self, now: float) -> None:
        """Cut now, and again soon: a connection may be made while the others are being cut."""
        self.reason = "the transfer took too long"
        self.ends_at = now + CUT_AGAIN_SECONDS
        self._wire.cut()


class _Watch:
    """The thread that waits for the next deadline of all exchanges of the process."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._dogs: set[Watchdog] = set()
        self._thread: threading.Thread | None = None
        self._wakes_at = 0.0

    def add(self, dog: Watchdog) -> None:
        with self._changed:
            self._dogs.add(dog)
            if self._thread is None or not self._thread.is_alive():  # or it was lost in a fork
                self._thread = threading.Thread(target=self._run, name="watchdog", daemon=True)
                self._thread.start()
            elif dog.ends_at < self._wakes_at:
                self._changed.notify()

    def remove(self, dog: Watchdog) -> None:
        with self._changed:
            self._dogs.discard(dog)

    def _run(self) -> None:
        with self._changed:
            while True:
                now = time.monotonic()
                for dog in [dog for dog in self._dogs if dog.ends_at <= now]:
                    dog.bite(now)
                ends = min((dog.ends_at for dog in self._dogs), default=now + IDLE_SECONDS)
                self._wakes_at = ends
                self._changed.wait(max(ends - now, 0.0))


_watch = _Watch()


def abort_transfer(thread: int) -> None:
    """Cut the exchange of a thread, as when its job was taken over by another worker."""
    if wire := _under_way.get(thread):
        wire.cut()
