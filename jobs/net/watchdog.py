"""Total deadlines for HTTP exchanges, however slowly their bytes arrive.

A socket timeout bounds the silence between two bytes. One thread for the whole process bounds
the whole exchange: it shuts down the connections of an exchange at its deadline.
"""

import socket
import threading
import time
import weakref
from contextlib import suppress
from contextvars import ContextVar

TICK_SECONDS = 0.05


class Exchange:
    """One HTTP exchange of one thread; `problem` is not empty once the deadline has passed."""

    def __init__(self, seconds: float) -> None:
        self.is_sent = False
        self.problem = ""
        self.ends_at = time.monotonic() + seconds
        self._sockets: list[weakref.ref[socket.socket]] = []

    def __enter__(self) -> "Exchange":
        global _thread  # noqa: PLW0603 - one for the process
        current.set(self)
        _under_way[threading.get_ident()] = self
        _has_work.set()
        if _thread is None or not _thread.is_alive():  # or it was lost in a fork
            _thread = threading.Thread(target=_watch, name="watchdog", daemon=True)
            _thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        _under_way.pop(threading.get_ident(), None)

    def add(self, connection: socket.socket) -> None:
        self._sockets.append(weakref.ref(connection))

    def shut_down(self) -> None:
        """Shut the sockets down: their reader gets an error or an end of file."""
        for reference in list(self._sockets):
            with suppress(OSError):  # closed meanwhile
                connection = reference()
                if connection is not None:
                    connection.shutdown(socket.SHUT_RDWR)


# The last exchange of each thread, or of each greenlet of the web process.
current: ContextVar[Exchange | None] = ContextVar("exchange", default=None)
_under_way: dict[int, Exchange] = {}  # by thread
_has_work = threading.Event()
_thread: threading.Thread | None = None


def abort_transfer(thread: int) -> None:
    """Shut down the exchange of a thread, as when another worker took its job over."""
    exchange = _under_way.get(thread)
    if exchange:
        exchange.shut_down()


def _watch() -> None:
    while True:
        _has_work.wait()
        time.sleep(TICK_SECONDS)
        for exchange in list(_under_way.values()):
            # Each time after the deadline: another connection may have opened since.
            if time.monotonic() >= exchange.ends_at:
                exchange.problem = "the transfer took too long"
                exchange.shut_down()
        _has_work.clear()
        if _under_way:
            _has_work.set()
