"""An end for every exchange over the network, however slowly its bytes drip."""

import socket
import threading
import weakref
from contextvars import ContextVar

CUT_AGAIN_SECONDS = 0.2

_open_sockets: "weakref.WeakSet[socket.socket]" = weakref.WeakSet()


class Wire:
    """The connections of one exchange, and whether anything was sent over them yet."""

    def __init__(self) -> None:
        self.sent = False
        self._sockets: weakref.WeakSet[socket.socket] = weakref.WeakSet()

    def add(self, opened: socket.socket) -> None:
        self._sockets.add(opened)
        _open_sockets.add(opened)

    def cut(self) -> None:
        _shut(self._sockets)


# Each thread (and each greenlet of the web process) has the wire of its own exchange.
current: ContextVar[Wire] = ContextVar("wire")


class Watchdog:
    """Cuts an exchange's connections at a deadline.

    A time-out bounds the silence between two bytes; a body or header dripped byte by byte is
    only bounded by this.
    """

    def __init__(self, wire: Wire, seconds: float) -> None:
        self.reason = ""
        self._wire = wire
        self._seconds = max(seconds, 0.0)
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="watchdog", daemon=True)

    def __enter__(self) -> "Watchdog":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _watch(self) -> None:
        if self._over.wait(self._seconds):
            return
        self.reason = "the transfer took too long"
        # More than once: a connection may only be made while the others are being cut.
        while True:
            self._wire.cut()
            if self._over.wait(CUT_AGAIN_SECONDS):
                return


def cut_connections() -> None:
    """Cut every exchange of this process, as when its job was taken over by another worker."""
    _shut(_open_sockets)


def _shut(sockets: "weakref.WeakSet[socket.socket]") -> None:
    """Whoever reads from one of them gets an error or its end."""
    for opened in list(sockets):
        try:
            opened.shutdown(socket.SHUT_RDWR)
        except OSError:
            continue  # closed meanwhile
