"""The connections of a web process: idle ones wait long, and make room when places are short.

Not in `receiver/`: gunicorn imports this module before gevent patches the standard library.
"""

import socket
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import gevent

RECEIVED_MAX_BYTES = 64 * 1024  # at once
FIRST_PART_BYTES = 8 * 1024  # what gunicorn asks for
YIELD_BYTES = 8 * 1024  # so much at once: probably more is waiting
SEND_TIMEOUT_SECONDS = 30.0  # without any progress; then the connection is reset
UNSENT_MAX_BYTES = 128 * 1024  # in the kernel, for each connection
RESERVED_PLACES_RATIO = 0.05  # of all places: from there on idle connections are ended
# A router that sends on a kept connection just now is still answered, with `Connection: close`.
STOP_GRACE_SECONDS = 1.0
_NOTSENT_LOWAT: int | None = getattr(socket, "TCP_NOTSENT_LOWAT", None)


class Connections:
    """The open connections of one process. Those that wait for a request are idle."""

    def __init__(self, places: int, idle_seconds: float) -> None:
        self.idle_seconds = idle_seconds
        self._open = 0
        reserved_places = max(1, int(places * RESERVED_PLACES_RATIO))
        self._open_max = places - reserved_places
        self._idle: OrderedDict[TimeoutSocket, None] = OrderedDict()  # the longest idle one first

    @contextmanager
    def place(self) -> Iterator[None]:
        """Count a connection while it is open; the longest idle one ends for it at the limit."""
        self._open += 1
        if self._open > self._open_max and self._idle:
            longest_idle, _none = self._idle.popitem(last=False)
            longest_idle.end()
        try:
            yield
        finally:
            self._open -= 1

    @contextmanager
    def idle(self, connection: "TimeoutSocket") -> Iterator[None]:
        self._idle[connection] = None
        try:
            yield
        finally:
            self._idle.pop(connection, None)

    def stop(self) -> None:
        """End the idle connections: a process that stops waits for all that are open."""
        gevent.sleep(STOP_GRACE_SECONDS)
        self.idle_seconds = STOP_GRACE_SECONDS
        for connection in list(self._idle):
            connection.end()


class TimeoutSocket:
    """Client socket whose sends fail when the client reads nothing for SEND_TIMEOUT_SECONDS."""

    def __init__(self, client: socket.socket, connections: Connections) -> None:
        client.settimeout(SEND_TIMEOUT_SECONDS)
        if client.family != socket.AF_UNIX and _NOTSENT_LOWAT is not None:
            # With megabytes in the kernel's buffer, a slow client would look like a dead one.
            client.setsockopt(socket.IPPROTO_TCP, _NOTSENT_LOWAT, UNSENT_MAX_BYTES)
        self._client = client
        self._connections = connections

    def receive_first(self) -> bytes:
        """Receive the first bytes of the next request; empty when the connection has ended.

        It ends after the idle limit, too, and when its place is needed.
        """
        self._client.settimeout(self._connections.idle_seconds)
        try:
            with self._connections.idle(self):
                return self._client.recv(FIRST_PART_BYTES)
        except TimeoutError:
            return b""
        finally:
            self._client.settimeout(SEND_TIMEOUT_SECONDS)

    def end(self) -> None:
        """Wake `receive_first`. What has arrived already is still received, and answered."""
        # Not by gevent's own method: it makes the waiting `recv` fail, whatever has arrived.
        system_socket: Any = getattr(self._client, "_sock", self._client)
        with suppress(OSError):
            system_socket.shutdown(socket.SHUT_RD)

    def recv(self, size: int) -> bytes:
        """Receive a part, and let others run: gevent does not switch while data wait."""
        part = self._client.recv(min(size, RECEIVED_MAX_BYTES))
        if len(part) >= YIELD_BYTES:
            gevent.sleep(0)
        return part

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)

    def sendall(self, data: bytes) -> None:
        """Apply the timeout to each send; the socket's own `sendall` applies it to all bytes."""
        unsent = memoryview(data)
        while unsent:
            unsent = unsent[self._client.send(unsent) :]
