"""HTTP client on a raw socket, for requests that no client library would send."""

import contextlib
import hashlib
import hmac
import socket
import struct
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from tests.harness.closing import Closing

TIMEOUT_SECONDS = 30.0
CALLBACKS = "/webhooks/bfl"
_RESET_ON_CLOSE = struct.pack("ii", 1, 0)

Text = str | bytes
Header = tuple[Text, Text]


@dataclass(frozen=True)
class Answer:
    """One response; header names in lower case."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def everything(self) -> str:
        return f"{self.headers} {self.body.decode(errors='replace')}"


def raw(text: Text) -> bytes:
    return text if isinstance(text, bytes) else text.encode()


def request(
    headers: Iterable[Header] = (),
    body: bytes = b"",
    *,
    method: Text = "POST",
    target: Text = CALLBACKS,
    version: Text = "HTTP/1.1",
    length: Text | None = "",
) -> bytes:
    """Build a request; `length` is the Content-Length, by default the true one, None for none."""
    own: list[Header] = [("Host", "fluxkeep.test")]
    if length is not None:
        own.append(("Content-Length", length or str(len(body))))
    lines = [b" ".join(map(raw, (method, target, version)))]
    lines += [raw(name) + b": " + raw(value) for name, value in (*own, *headers)]
    return b"\r\n".join(lines) + b"\r\n\r\n" + body


def chunked(*chunks: bytes) -> bytes:
    """Encode a chunked body."""
    return b"".join(b"%x\r\n%b\r\n" % (len(chunk), chunk) for chunk in (*chunks, b""))


def signature(secret: str, body: bytes) -> str:
    return hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()


class Wire(Closing):
    """One connection to the web process; closed at the end of the `with`."""

    def __init__(self, port: int) -> None:
        self._end = socket.create_connection(("127.0.0.1", port), TIMEOUT_SECONDS)
        self._end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._read = b""

    @property
    def local_port(self) -> int:
        """The port of our end."""
        port: int = self._end.getsockname()[1]
        return port

    def close(self) -> None:
        self._end.close()

    def send(self, data: bytes) -> None:
        """Send; a server that refuses early may close the connection meanwhile."""
        with contextlib.suppress(ConnectionError):
            self._end.sendall(data)

    def finish(self) -> None:
        """Close the sending side."""
        with contextlib.suppress(OSError):
            self._end.shutdown(socket.SHUT_WR)

    def reset(self) -> None:
        """Close with RST instead of FIN."""
        self._end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
        self._end.close()

    def answer(self, timeout: float = TIMEOUT_SECONDS) -> Answer | None:
        """The next response, None when the connection ends without one. Raises TimeoutError."""
        until = time.monotonic() + timeout
        while b"\r\n\r\n" not in self._read:
            if not self._more(until):
                return None
        head, _, self._read = self._read.partition(b"\r\n\r\n")
        status, headers = _parsed(head)
        # An interim response has no body, and its final one follows.
        size = "0" if status < 200 else headers.get("content-length")
        while size is None or len(self._read) < int(size):
            if not self._more(until):
                break
        cut = len(self._read) if size is None else int(size)
        body, self._read = self._read[:cut], self._read[cut:]
        return Answer(status, headers, body)

    def answers(self, timeout: float = TIMEOUT_SECONDS) -> list[Answer]:
        """Every response until the server closes the connection."""
        found = []
        while (answer := self.answer(timeout)) is not None:
            found.append(answer)
        return found

    def ended(self) -> list[Answer] | None:
        """Responses on a closed connection; None while it is open."""
        while True:
            try:
                if not self._more(time.monotonic()):
                    return self.answers()
            except TimeoutError:
                return None

    def _more(self, until: float) -> bool:
        self._end.settimeout(max(until - time.monotonic(), 0.001))
        try:
            data = self._end.recv(65536)
        except ConnectionError:
            return False
        self._read += data
        return bool(data)


def _parsed(head: bytes) -> tuple[int, dict[str, str]]:
    first, *lines = head.decode("latin-1").split("\r\n")
    pairs = [line.partition(":") for line in lines]
    return int(first.split(" ")[1]), {name.lower(): value.strip() for name, _, value in pairs}


def exchange(port: int, data: bytes) -> Answer | None:
    """Send data, close the sending side, and return the first response."""
    with Wire(port) as wire:
        wire.send(data)
        wire.finish()
        return wire.answer()


def conversation(port: int, parts: Sequence[bytes]) -> list[Answer]:
    """Send all parts, then read every response until the server closes."""
    with Wire(port) as wire:
        for part in parts:
            wire.send(part)
        wire.finish()
        return wire.answers()
