"""A wire to Redis that goes dead at a command the test names, to stop a process right there."""

import contextlib
import socket
import threading
from typing import Self


class Tripwire:
    """Stands before a loopback port, on one of its own: `port`.

    Once armed, the first connection that sends `pattern` goes dead: the command is not passed on,
    or with `answer` it is, and its answer is not. Other connections go on. `close` resets all.
    """

    def __init__(self, target_port: int) -> None:
        self._target = ("127.0.0.1", target_port)
        self._pattern = b""
        self._answer = False
        self._tripped = threading.Event()
        self._closed = threading.Event()
        self._ends: list[socket.socket] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, name="tripwire", daemon=True).start()

    def arm(self, pattern: bytes, *, answer: bool = False) -> None:
        """`pattern` must come in one piece: commands are far smaller than a read."""
        self._answer = answer
        self._tripped.clear()
        self._pattern = pattern

    def wait(self, timeout: float = 120.0) -> None:
        """Returns once the command has come. Raises TimeoutError."""
        if not self._tripped.wait(timeout):
            raise TimeoutError(f"nobody sent {self._pattern!r} within {timeout:g} s")

    def close(self) -> None:
        self._closed.set()
        for end in (self._listener, *self._ends):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _accept(self) -> None:
        while not self._closed.is_set():
            try:
                near, _ = self._listener.accept()
                far = socket.create_connection(self._target, timeout=5)
            except OSError:
                continue  # closed, or Redis is away
            far.settimeout(None)
            self._ends += [near, far]
            dead = threading.Event()
            for source, sink, asks in ((near, far, True), (far, near, False)):
                pump = (source, sink, dead, asks)
                threading.Thread(target=self._pump, args=pump, daemon=True).start()

    def _pump(
        self, source: socket.socket, sink: socket.socket, dead: threading.Event, asks: bool
    ) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(1_048_576):
                if asks and self._trips(data):
                    dead.set()
                    if self._answer:
                        sink.sendall(data)
                    self._tripped.set()
                elif not dead.is_set():
                    sink.sendall(data)
            sink.shutdown(socket.SHUT_WR)

    def _trips(self, data: bytes) -> bool:
        if not self._pattern or self._pattern not in data or self._tripped.is_set():
            return False
        self._pattern = b""
        return True
