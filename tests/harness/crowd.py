"""Hundreds of clients that wait at once, in one thread: each asks once and notes the answer."""

import selectors
import socket
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Self
from urllib.parse import urlsplit

import requests

from tests.harness.patience import SLOWEST

READ_BYTES = 65536


@dataclass(eq=False)
class Asker:
    """One of them: what it asked, when it was answered, and with what."""

    path: str
    end: socket.socket
    raw: bytes = b""
    answered_at: float | None = None

    @property
    def status(self) -> int:
        """0 when the connection ended without an answer."""
        return int(self.raw.split(b" ", 2)[1]) if self.raw else 0

    def json(self) -> Any:
        head, _, body = self.raw.partition(b"\r\n\r\n")
        answer = requests.Response()
        answer._content = body  # noqa: SLF001 - only to read it as others are read
        assert b"chunked" not in head.lower()
        return answer.json()


@dataclass
class LongPollClients:
    """Connections to one web process, one for each path."""

    url: str
    key: str
    askers: dict[str, Asker] = field(default_factory=dict)
    _selector: selectors.BaseSelector = field(default_factory=selectors.DefaultSelector)

    def ask(self, paths: Iterable[str]) -> None:
        """Send each request, without waiting for an answer."""
        parts = urlsplit(self.url)
        for path in paths:
            end = socket.create_connection((parts.hostname, parts.port), timeout=10)
            head = f"GET {path} HTTP/1.1\r\nHost: {parts.netloc}\r\nx-key: {self.key}"
            end.sendall(f"{head}\r\nConnection: close\r\n\r\n".encode())
            end.setblocking(False)
            asker = self.askers[path] = Asker(path, end)
            self._selector.register(end, selectors.EVENT_READ, asker)

    def gather(self, timeout: float) -> None:
        """Returns once each is answered. Raises TimeoutError."""
        timeout *= SLOWEST
        until = time.monotonic() + timeout
        while self.waiting:
            if time.monotonic() > until:
                raise TimeoutError(f"{self.waiting} were not answered within {timeout:g} s")
            for key, _ in self._selector.select(0.2):
                self._read(key.data)

    @property
    def waiting(self) -> int:
        return sum(asker.answered_at is None for asker in self.askers.values())

    def hang_up(self) -> None:
        for asker in self.askers.values():
            asker.end.close()
        self._selector.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.hang_up()

    def _read(self, asker: Asker) -> None:
        try:
            data = asker.end.recv(READ_BYTES)
        except OSError:
            data = b""
        asker.raw += data
        if not data:
            asker.answered_at = time.monotonic()
            self._selector.unregister(asker.end)
