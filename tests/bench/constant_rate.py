"""Load generator with a constant arrival rate, or given times, which wrk lacks.

Each latency is measured from the time at which the callback was due. This avoids coordinated
omission: a generator that waits for slow answers would not measure the requests behind them.
"""

import asyncio
import socket
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

CONNECTIONS = 32


class Measurement(NamedTuple):
    """Answers per second, latencies in milliseconds, and the number of answers other than 200."""

    rate: float
    p50: float
    p99: float
    refused: int


def run(url: str, callbacks: Path, *, rate: float, seconds: float) -> Measurement:
    """Send the lines of a file ("<hex signature> <body>") at a rate per second."""
    return run_at(url, callbacks, [n / rate for n in range(int(rate * seconds))])


def run_at(url: str, callbacks: Path, times: Sequence[float]) -> Measurement:
    """Send a line at each of these times, which are seconds from now."""
    return asyncio.run(_run(url, callbacks, times))


async def _run(url: str, callbacks: Path, times: Sequence[float]) -> Measurement:
    with callbacks.open() as file:
        requests = [_request(line.rstrip("\n")) for line, _ in zip(file, times, strict=False)]
    idle: asyncio.Queue[_Connection] = asyncio.Queue()
    for _ in range(CONNECTIONS):
        idle.put_nowait(await _connect(url, idle))
    started, answers = time.perf_counter(), _Answers()
    for request, at in zip(requests, times, strict=False):
        due = started + at
        await asyncio.sleep(due - time.perf_counter())
        connection = await idle.get()
        if connection.is_closed:  # by the server, after some idle seconds
            connection = await _connect(url, idle)
        connection.send(request, due, answers)
    for _ in range(CONNECTIONS):
        (await idle.get()).close()
    return answers.summary(time.perf_counter() - started)


async def _connect(url: str, idle: "asyncio.Queue[_Connection]") -> "_Connection":
    parts, loop = urlsplit(url), asyncio.get_running_loop()
    _, connection = await loop.create_connection(
        lambda: _Connection(idle), parts.hostname or "", parts.port or 80
    )
    return connection


class _Answers:
    def __init__(self) -> None:
        self.seconds: list[float] = []
        self.refused = 0

    def summary(self, elapsed: float) -> Measurement:
        ordered = sorted(self.seconds)
        middle, late = ordered[len(ordered) // 2], ordered[int(len(ordered) * 0.99)]
        return Measurement(len(ordered) / elapsed, middle * 1000, late * 1000, self.refused)


class _Connection(asyncio.Protocol):
    """A connection with one callback at a time; each answer is one packet."""

    def __init__(self, idle: "asyncio.Queue[_Connection]") -> None:
        self._idle, self._answers = idle, _Answers()
        self.is_closed = self._is_waiting = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def send(self, request: bytes, due: float, answers: _Answers) -> None:
        self._due, self._answers, self._is_waiting = due, answers, True
        self._transport.write(request)

    def data_received(self, data: bytes) -> None:
        if not data.startswith(b"HTTP/1.1 "):
            return  # body of an answer whose head has been counted
        self._answers.seconds.append(time.perf_counter() - self._due)
        self._end(is_refused=not data.startswith(b"HTTP/1.1 200"))

    def connection_lost(self, _: Exception | None) -> None:
        self.is_closed = True
        if self._is_waiting:
            self._end(is_refused=True)

    def _end(self, *, is_refused: bool) -> None:
        self._is_waiting = False
        self._answers.refused += is_refused
        self._idle.put_nowait(self)

    def close(self) -> None:
        self._transport.close()


def _request(line: str) -> bytes:
    signature, _, body = line.partition(" ")
    head = (
        "POST /webhooks/bfl HTTP/1.1\r\nHost: bench\r\nContent-Type: application/json\r\n"
        f"X-BFL-Signature: sha256={signature}\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return (head + body).encode()
