"""Bytes that are not HTTP: an error response or a closed connection, then normal service."""

import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import pytest

from tests.harness.wire import Header, Wire, chunked, exchange, request
from tests.system.bad_input.target import PROOF, TargetServer, failed, new_id, pending

FLOOD_SECONDS, BLOCKS = 10.0, 10_000

NO_REQUEST: dict[str, bytes] = {
    "every byte": bytes(range(256)) * 16,
    "TLS hello": bytes.fromhex("16030100f5010000f10303") + b"\x55" * 240,
    "HTTP/2 preface": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\0\0\0\4\0\0\0\0\0",
    "half a head": request([PROOF])[:40],
    "a line of 100 KB": b"A" * 100_000,
    "a header of 1 MB": b"GET / HTTP/1.1\r\nX-A: " + b"a" * 1_000_000,
    "a version that is none": request([PROOF], version="HTTP/9.9"),
}


@pytest.mark.parametrize("data", NO_REQUEST.values(), ids=NO_REQUEST)
def test_bytes_that_are_no_request_are_refused(server: TargetServer, data: bytes) -> None:
    answer = exchange(server.port, data)
    assert answer is None or 400 <= answer.status < 500
    with Wire(server.port) as wire:
        wire.send(data)
        wire.reset()


def test_http_1_0_is_served_and_the_connection_closed(server: TargetServer) -> None:
    with Wire(server.port) as wire:
        wire.send(request([PROOF], pending(new_id()), version="HTTP/1.0"))
        answers = wire.answers()  # raises TimeoutError when the connection stays open
    assert [answer.status for answer in answers] == [200]


BODIES: list[tuple[Header, bytes]] = [
    (("Content-Length", "10000000000"), b" " * 1_000_000),
    (("Transfer-Encoding", "chunked"), chunked(b" " * 100)[:-5] * 10_000),
]


def flood(port: int, body: tuple[Header, bytes]) -> None:
    """Send a body again and again, as quickly as the server discards it."""
    framing, block = body
    until = time.monotonic() + FLOOD_SECONDS
    while time.monotonic() < until:
        with Wire(port) as wire:
            wire.send(request([framing], length=None, target="/healthz"))
            for _ in range(BLOCKS):  # until the server hangs up, and then in vain
                wire.send(block)


@pytest.mark.slow
def test_floods_of_bodies_that_nobody_reads_delay_no_other_request(server: TargetServer) -> None:
    with server.answering_others(FLOOD_SECONDS / 2), ThreadPoolExecutor() as pool:
        list(pool.map(partial(flood, server.port), BODIES))


HEADS: dict[str, bytes] = {
    "no colon": b"X-A b",
    "a folded value": b"X-A: b\r\n c",
    "a NUL in the value": b"X-A: b\0c",
    "a bare line feed": b"X-A: b\nX-B: c",
    "host twice": b"Host: other.test",
    "a header of 9 KB": b"X-A: " + b"a" * 9000,
    "33 KB of headers": b"\r\n".join(b"X-%d: " % n + b"a" * 8000 for n in range(5)),
    "101 headers": b"\r\n".join(b"X-%d: a" % n for n in range(101)),
}


@pytest.mark.parametrize("line", HEADS.values(), ids=HEADS)
def test_a_malformed_head_is_refused(server: TargetServer, job_id: str, line: bytes) -> None:
    data = request([PROOF], failed(job_id)).replace(b"\r\n\r\n", b"\r\n" + line + b"\r\n\r\n", 1)
    assert server.exchange(data).status in (400, 417, 431)


def test_headers_as_many_and_as_large_as_allowed_are_taken(server: TargetServer) -> None:
    many: list[Header] = [(f"X-{n}", "a") for n in range(100 - 3)]
    for headers in (many, [("X-A", "a" * 8000)]):
        assert server.authentic(pending(new_id()), *headers).status == 200


def test_expect_100_continue_is_answered(server: TargetServer) -> None:
    body = pending(job_id := new_id())
    head = request([PROOF, ("Expect", "100-continue")], length=str(len(body)))
    with Wire(server.port) as wire:
        wire.send(head)
        interim = wire.answer()
        assert interim and interim.status == 100
        wire.send(body)
        answer = wire.answer()
    assert answer and answer.status == 200 and server.job(job_id)
