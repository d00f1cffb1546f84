"""Callback sender: a few attempts as at BFL, without redirects."""

import socket
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from threading import Lock
from urllib.parse import urlsplit

from tests.sandbox.observations import Callback
from tests.sandbox.scheduler import Scheduler
from tests.sandbox.settings import Settings
from tests.sandbox.task_store import TaskStore

CALLBACKS_AT_ONCE = 64


@dataclass(frozen=True)
class CallbackRequest:
    """One callback; every attempt sends the same bytes."""

    task_id: str
    url: str
    headers: dict[str, str]
    body: bytes


class CallbackSender:
    """A thread pool over http.client, which follows no redirects and reads no proxy settings."""

    def __init__(self, settings: Settings, store: TaskStore, scheduler: Scheduler) -> None:
        self._settings, self._store, self._scheduler = settings, store, scheduler
        self._pool = ThreadPoolExecutor(CALLBACKS_AT_ONCE, "sandbox-callback")
        self._open: set[socket.socket] = set()
        self._lock = Lock()
        self._stopped = False

    def send_after(self, seconds: float, request: CallbackRequest, tried: int = 0) -> None:
        self._scheduler.after(seconds, lambda: self._queue(request, tried))

    def _queue(self, request: CallbackRequest, tried: int) -> None:
        # The pool may have been shut down in the meantime: the callback is dropped.
        with suppress(RuntimeError):
            self._pool.submit(self._try, request, tried)

    def _try(self, request: CallbackRequest, tried: int) -> None:
        retries = list(self._settings.callback_retries)
        if not _accepted(self.send(request)) and tried < len(retries):
            self.send_after(retries[tried], request, tried + 1)

    def send(self, request: CallbackRequest) -> Callback:
        """Make one attempt now and record it with the task."""
        began = time.time()
        try:
            outcome: int | str = self._post(request)
        except (OSError, HTTPException, ValueError) as error:
            outcome = f"{type(error).__name__}: {error}"
        callback = Callback(began, outcome, request.headers, request.body)
        self._store.change(request.task_id, lambda task: task.callbacks.append(callback))
        return callback

    def _post(self, request: CallbackRequest) -> int:
        parts = urlsplit(request.url)
        connect: Callable[..., HTTPConnection] = (
            HTTPSConnection if parts.scheme == "https" else HTTPConnection
        )
        connection = connect(parts.hostname, parts.port, timeout=self._settings.callback_timeout)
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        # Header values as bytes: a secret may hold any character.
        headers = {name: value.encode() for name, value in request.headers.items()}
        with closing(connection), self._open_socket(connection):
            connection.request("POST", target, request.body, headers)
            response = connection.getresponse()
            response.read()
            return response.status

    @contextmanager
    def _open_socket(self, connection: HTTPConnection) -> Iterator[None]:
        connection.connect()
        # http.client drops its reference to the socket before the body is read.
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
                # Wake the thread that waits for a slow receiver.
                with suppress(OSError):
                    wire.shutdown(socket.SHUT_RDWR)
        self._pool.shutdown(wait=True, cancel_futures=True)


def _accepted(callback: Callback) -> bool:
    return isinstance(callback.outcome, int) and 200 <= callback.outcome < 300
