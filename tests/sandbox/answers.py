"""HTTP answers as values, sent with faults such as pauses, slow bodies and resets."""

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from email.utils import formatdate
from enum import Enum
from http.client import responses
from io import BufferedIOBase
from typing import Any, Self

DRIPS_PER_SECOND = 20


class Ending(Enum):
    """State of the connection after an answer."""

    KEEP = "keep"
    CLOSE = "close"
    RESET = "reset"


def _as_json(value: Any) -> Any:
    """Bytes as text, and a dataclass as its fields."""
    return value.decode() if isinstance(value, bytes) else vars(value)


def _ignore(*_: int) -> None:
    """Do nothing (default)."""


@dataclass(frozen=True)
class Answer:
    """An HTTP answer; status 0 closes the connection without one."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes | Iterable[bytes] = b""
    pause: float = 0.0  # seconds before the first byte
    head_pace: float | None = None  # bytes per second
    body_pace: float | None = None
    ending: Ending = Ending.KEEP
    sent: Callable[[int], None] = _ignore  # called with the size of each chunk sent
    over: Callable[[], None] = _ignore  # called when the answer ends, also early

    @classmethod
    def json(cls, status: int, value: Any, headers: Mapping[str, str] | None = None) -> Self:
        body = json.dumps(value, default=_as_json).encode()
        return cls.text(status, body, "application/json", headers)

    @classmethod
    def text(
        cls, status: int, body: bytes, content_type: str, headers: Mapping[str, str] | None = None
    ) -> Self:
        about = {"Content-Type": content_type, "Content-Length": str(len(body))}
        return cls(status, about | dict(headers or {}), body)

    @classmethod
    def silence(cls) -> Self:
        return cls(0, ending=Ending.CLOSE)

    def head(self) -> bytes:
        phrase = responses.get(self.status, "Unknown")
        lines = [f"HTTP/1.1 {self.status} {phrase}"]
        lines.append(f"Date: {formatdate(usegmt=True)}")
        lines += [f"{name}: {value}" for name, value in self.headers.items()]
        if self.ending is Ending.CLOSE and "Content-Length" not in self.headers:
            lines.append("Connection: close")
        return "\r\n".join([*lines, "", ""]).encode("latin-1")


def play(
    answer: Answer, out: BufferedIOBase, wait: Callable[[float], None], *, head_only: bool
) -> None:
    """Write the answer at its pace; `wait` sleeps and raises ConnectionError when it is over."""
    wait(answer.pause)
    if not answer.status:
        return
    body = b"" if head_only else answer.body
    pieces = iter([body] if isinstance(body, bytes) else body)
    head = answer.head()
    # Head and first piece leave in one packet unless one of the two is to be slow.
    if answer.head_pace is None and answer.body_pace is None:
        first = next(pieces, b"")
        out.write(head + first)
        answer.sent(len(first))
    else:
        _drip(head, answer.head_pace, out, wait, _ignore)
    for piece in pieces:
        _drip(piece, answer.body_pace, out, wait, answer.sent)


def _drip(
    data: bytes,
    pace: float | None,
    out: BufferedIOBase,
    wait: Callable[[float], None],
    sent: Callable[[int], None],
) -> None:
    step = len(data) if pace is None else max(1, int(pace / DRIPS_PER_SECOND))
    for start in range(0, len(data), max(1, step)):
        piece = data[start : start + step]
        out.write(piece)
        sent(len(piece))
        if pace is not None:
            wait(len(piece) / pace)
