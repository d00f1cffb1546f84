"""A wire that can be broken: a small TCP proxy whose behaviour is switched while it runs."""

import contextlib
import socket
import struct
import threading
import time
from enum import StrEnum

from tests.harness.closing import Closing

_CHUNK_BYTES = 65536
_RESET_ON_CLOSE = struct.pack("ii", 1, 0)


class Mode(StrEnum):
    PASS = "pass"
    REFUSE = "refuse"  # nobody listens
    HANG = "hang"  # connections are accepted, nothing is ever answered


class TcpProxy(Closing):
    """Stands before a loopback port, on one of its own: `port`.

    `refuse`, `hang` and `pass_on` also hold for what is connected already; `cut` resets what is
    connected once; `slow` limits the bytes per second of each direction of each connection.
    """

    def __init__(self, target_port: int) -> None:
        self._target = ("127.0.0.1", target_port)
        self._mode = Mode.PASS
        self._rate: float | None = None
        self._open: set[socket.socket] = set()
        self._lock = threading.Lock()
        self._closed = False
        self._moved = threading.Condition()
        self._listener = self._listen(0)
        self.port: int = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, name="proxy", daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def connections(self) -> int:
        with self._lock:
            return len(self._open) // 2

    # Switches.

    def lead_to(self, port: int) -> None:
        """Set the target of new connections; existing connections stay."""
        self._target = ("127.0.0.1", port)

    def pass_on(self) -> None:
        """As if there were no proxy."""
        if self._mode is Mode.REFUSE:
            self._listener = self._listen(self.port)
        self._switch(Mode.PASS, None)

    def slow(self, bytes_per_second: float) -> None:
        self.pass_on()
        self._switch(Mode.PASS, bytes_per_second)

    def hang(self) -> None:
        """Bytes are taken and never passed on."""
        self.pass_on()
        self._switch(Mode.HANG, None)

    def refuse(self) -> None:
        """New connections are refused, the ones there are reset."""
        self._switch(Mode.REFUSE, None)
        _close(self._listener)
        self.cut()

    def cut(self) -> None:
        """Reset every connection; new ones are welcome."""
        with self._lock:
            ends, self._open = self._open, set()
        for end in ends:
            _reset(end)

    def close(self) -> None:
        self._closed = True
        self._switch(Mode.PASS, None)
        _close(self._listener)
        self.cut()

    # The wire.

    def _switch(self, mode: Mode, rate: float | None) -> None:
        with self._moved:
            self._mode, self._rate = mode, rate
            self._moved.notify_all()

    def _listen(self, port: int) -> socket.socket:
        listener = socket.create_server(("127.0.0.1", port), backlog=512)
        listener.settimeout(0.1)
        return listener

    def _accept(self) -> None:
        while not self._closed:
            try:
                near, _ = self._listener.accept()
            except OSError:
                # Nobody came for a while, or the listener is closed for as long as we refuse.
                time.sleep(0.01)
                continue
            near.settimeout(None)
            threading.Thread(target=self._connect, args=(near,), daemon=True).start()

    def _connect(self, near: socket.socket) -> None:
        try:
            far = socket.create_connection(self._target, timeout=5)
        except OSError:
            _reset(near)
            return
        far.settimeout(None)
        with self._lock:
            self._open |= {near, far}
        there = threading.Thread(target=self._pump, args=(near, far, True), daemon=True)
        there.start()
        self._pump(far, near, False)
        there.join()
        self._forget(near, far)

    def _pump(self, source: socket.socket, sink: socket.socket, asks: bool) -> None:
        try:
            while data := source.recv(self._chunk()):
                with self._moved:
                    self._moved.wait_for(lambda: self._mode is not Mode.HANG)
                if self._passes(data, source, sink, asks):
                    sink.sendall(data)
                if rate := self._rate:
                    time.sleep(len(data) / rate)
            sink.shutdown(socket.SHUT_WR)
        except OSError:
            _reset(source)
            _reset(sink)

    def _passes(
        self, _data: bytes, _source: socket.socket, _sink: socket.socket, _asks: bool
    ) -> bool:
        """Whether data are passed on; `_asks` when they come from the one who connected."""
        return True

    def _chunk(self) -> int:
        rate = self._rate
        return _CHUNK_BYTES if rate is None else max(1, min(_CHUNK_BYTES, int(rate / 10)))

    def _forget(self, *ends: socket.socket) -> None:
        with self._lock:
            self._open -= set(ends)
        for end in ends:
            end.close()


def _reset(end: socket.socket) -> None:
    """RST instead of FIN: linger is on, and for no time at all."""
    with contextlib.suppress(OSError):
        end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
    # Wakes the thread that reads from it, which a close alone does not.
    with contextlib.suppress(OSError):
        end.shutdown(socket.SHUT_RDWR)
    end.close()


def _close(listener: socket.socket) -> None:
    # A close alone lets the accept that is under way take one more connection.
    with contextlib.suppress(OSError):
        listener.shutdown(socket.SHUT_RDWR)
    listener.close()


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
