"""Load generator with a constant arrival rate, which wrk lacks.

Each latency is measured from the time at which the callback was due. This avoids coordinated
omission: a generator that waits for slow answers would not measure the requests behind them.
"""

import asyncio
import socket
import time
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
    return asyncio.run(_run(url, callbacks, rate, seconds))


async def _run(url: str, callbacks: Path, rate: float, seconds: float) -> Measurement:
    parts = urlsplit(url)
    host, port = parts.hostname or "", parts.port or 80
    count = int(rate * seconds)
    with callbacks.open() as file:
        requests = [
            _request(line.rstrip("\n")) for line, _ in zip(file, range(count), strict=False)
        ]
    idle: asyncio.Queue[_Connection] = asyncio.Queue()
    loop = asyncio.get_running_loop()
    for _ in range(CONNECTIONS):
        _, connection = await loop.create_connection(_Connection, host, port)
        connection.idle = idle
        idle.put_nowait(connection)
    return await _send_all(requests, rate, idle)


async def _send_all(
    requests: list[bytes], rate: float, idle: "asyncio.Queue[_Connection]"
) -> Measurement:
    started, answers = time.perf_counter(), _Answers()
    for n, request in enumerate(requests):
        due = started + n / rate
        await asyncio.sleep(due - time.perf_counter())
        connection = await idle.get()
        connection.send(request, due, answers)
    for _ in range(CONNECTIONS):
        (await idle.get()).close()
    return answers.summary(time.perf_counter() - started)


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

    idle: "asyncio.Queue[_Connection]"

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def send(self, request: bytes, due: float, answers: _Answers) -> None:
        self._due, self._answers = due, answers
        self._transport.write(request)

    def data_received(self, data: bytes) -> None:
        if not data.startswith(b"HTTP/1.1 "):
            return  # body of an answer whose head has been counted
        self._answers.seconds.append(time.perf_counter() - self._due)
        self._answers.refused += not data.startswith(b"HTTP/1.1 200")
        self.idle.put_nowait(self)

    def close(self) -> None:
        self._transport.close()


def _request(line: str) -> bytes:
    signature, _, body = line.partition(" ")
    head = (
        "POST /webhooks/bfl HTTP/1.1\r\nHost: bench\r\nContent-Type: application/json\r\n"
        f"X-BFL-Signature: sha256={signature}\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return (head + body).encode()
