"""A wire to Redis that goes dead at a command the test names, to stop a process right there."""

import socket
import threading

from tests.harness.tcp_proxy import TcpProxy


class Tripwire(TcpProxy):
    """A proxy that takes one command off the wire.

    Once armed, the first connection that sends `pattern` goes dead: the command is not passed on,
    or with `answer` it is, and its answer is not. Other connections go on. `close` resets all.
    """

    def __init__(self, target_port: int) -> None:
        self._pattern = b""
        self._answer = False
        self._tripped = threading.Event()
        self._dead: set[socket.socket] = set()
        super().__init__(target_port)

    def arm(self, pattern: bytes, *, answer: bool = False) -> None:
        """`pattern` must come in one piece: commands are far smaller than a read."""
        self._answer = answer
        self._tripped.clear()
        self._pattern = pattern

    def wait(self, timeout: float = 120.0) -> None:
        """Returns once the command has come. Raises TimeoutError."""
        if not self._tripped.wait(timeout):
            raise TimeoutError(f"nobody sent {self._pattern!r} within {timeout:g} s")

    def _passes(self, data: bytes, source: socket.socket, sink: socket.socket, asks: bool) -> bool:
        if asks and self._pattern and self._pattern in data and not self._tripped.is_set():
            self._dead |= {source, sink}
            if self._answer:
                sink.sendall(data)
            self._tripped.set()
        return source not in self._dead
