"""Sends callbacks the way BFL does: a few tries, no redirects, then never again."""

import socket
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from threading import Lock
from urllib.parse import urlsplit

from tests.sandbox.clock import Clock
from tests.sandbox.ledger import Ledger
from tests.sandbox.observations import Callback
from tests.sandbox.settings import Settings

CALLBACKS_AT_ONCE = 64


@dataclass(frozen=True)
class Parcel:
    """One callback, the same bytes at every try."""

    task_id: str
    url: str
    headers: dict[str, str]
    body: bytes


class Courier:
    """Built on http.client, which follows no redirect and asks no environment for a proxy."""

    def __init__(self, settings: Settings, ledger: Ledger, clock: Clock) -> None:
        self._settings, self._ledger, self._clock = settings, ledger, clock
        self._pool = ThreadPoolExecutor(CALLBACKS_AT_ONCE, "sandbox-callback")
        self._open: set[socket.socket] = set()
        self._lock = Lock()
        self._stopped = False

    def send_after(self, seconds: float, parcel: Parcel, tried: int = 0) -> None:
        self._clock.after(seconds, lambda: self._queue(parcel, tried))

    def _queue(self, parcel: Parcel, tried: int) -> None:
        # A pool that was shut down in this moment takes nothing more, and nobody waits for it.
        with suppress(RuntimeError):
            self._pool.submit(self._try, parcel, tried)

    def _try(self, parcel: Parcel, tried: int) -> None:
        retries = list(self._settings.callback_retries)
        if not _accepted(self.send(parcel)) and tried < len(retries):
            self.send_after(retries[tried], parcel, tried + 1)

    def send(self, parcel: Parcel) -> Callback:
        """One try, here and now, kept among the task's observations."""
        began = time.time()
        try:
            outcome: int | str = self._post(parcel)
        except (OSError, HTTPException, ValueError) as error:
            outcome = f"{type(error).__name__}: {error}"
        callback = Callback(began, outcome, parcel.headers, parcel.body)
        self._ledger.change(parcel.task_id, lambda task: task.callbacks.append(callback))
        return callback

    def _post(self, parcel: Parcel) -> int:
        parts = urlsplit(parcel.url)
        connect: Callable[..., HTTPConnection] = (
            HTTPSConnection if parts.scheme == "https" else HTTPConnection
        )
        connection = connect(parts.hostname, parts.port, timeout=self._settings.callback_timeout)
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        # Header values as bytes: a secret may hold any character.
        headers = {name: value.encode() for name, value in parcel.headers.items()}
        with closing(connection), self._open_socket(connection):
            connection.request("POST", target, parcel.body, headers)
            response = connection.getresponse()
            response.read()
            return response.status

    @contextmanager
    def _open_socket(self, connection: HTTPConnection) -> Iterator[None]:
        connection.connect()
        # Kept apart from its connection, which forgets it before the body is read.
        wire = connection.sock
        with self._lock:
            self._open.add(wire)
            if self._stopped:
                wire.shutdown(socket.SHUT_RDWR)
        try:
            yield
        finally:
            with self._lock:
                self._open.discard(wire)

    def stop(self) -> None:
        with self._lock:
            self._stopped = True
            for wire in self._open:
                # Wakes the thread that waits for the answer of a slow receiver.
                with suppress(OSError):
                    wire.shutdown(socket.SHUT_RDWR)
        self._pool.shutdown(wait=True, cancel_futures=True)


def _accepted(callback: Callback) -> bool:
    return isinstance(callback.outcome, int) and 200 <= callback.outcome < 300
