"""Bytes that are not HTTP: an error response or a closed connection, then normal service."""

import time

import pytest

from tests.system.bad_input.target import PROOF, TargetServer, failed, new_id, pending
from tests.system.bad_input.wire import Header, Wire, exchange, request

END_SECONDS = 5.0

NO_REQUEST: dict[str, bytes] = {
    "an empty line": b"\r\n",
    "every byte": bytes(range(256)) * 16,
    "TLS hello": bytes.fromhex("16030100f5010000f10303") + b"\x55" * 240,
    "HTTP/2 preface": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\0\0\0\4\0\0\0\0\0",
    "HTTP/0.9": b"GET /healthz\r\n\r\n",
    "Redis": b"*1\r\n$4\r\nPING\r\n",
    "PROXY protocol 2": b"\r\n\r\n\0\r\nQUIT\n!\x11\0\x0c" + b"\x7f\0\0\1" * 3,
    "an answer": b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
    "half a head": request([PROOF])[:40],
    "a line of 100 KB": b"A" * 100_000,
    "a header of 1 MB": b"GET / HTTP/1.1\r\nX-A: " + b"a" * 1_000_000,
    "request in UTF-16": request([PROOF]).decode("latin-1").encode("utf-16"),
}


@pytest.mark.parametrize("data", NO_REQUEST.values(), ids=NO_REQUEST)
def test_bytes_that_are_no_request_are_refused_or_disconnected(
    server: TargetServer, data: bytes
) -> None:
    answer = exchange(server.port, data)
    assert answer is None or 400 <= answer.status < 500
    with Wire(server.port) as wire:
        wire.send(data)
        wire.reset()


def test_a_hundred_empty_connections_are_closed_without_an_error(
    server: TargetServer,
) -> None:
    for _ in range(100):
        with Wire(server.port):
            pass


VERSIONS = (
    "HTTP/2.0",
    "HTTP/0.9",
    "HTTP/1.",
    "http/1.1",
    "HTTP/1.1 x",
    "HTTPS/1.1",
    "HTTP/\u0661.1",
    "",
)


@pytest.mark.parametrize("version", VERSIONS)
def test_a_version_that_is_none_is_refused(server: TargetServer, job_id: str, version: str) -> None:
    answer = server.authentic(failed(job_id), version=version)
    assert 400 <= answer.status < 500
    assert server.client.job(job_id)["status"] == "submitted"


def test_http_1_0_is_served_and_the_connection_closed(server: TargetServer) -> None:
    with Wire(server.port) as wire:
        wire.send(request([PROOF], pending(new_id()), version="HTTP/1.0"))
        began = time.monotonic()
        answers = wire.answers()
    assert [answer.status for answer in answers] == [200]
    assert time.monotonic() - began < END_SECONDS


# Heads.

HEADS: dict[str, bytes] = {
    "no colon": b"X-A b",
    "a space before the colon": b"X-A : b",
    "a space before the name": b" X-A: b",
    "a folded value": b"X-A: b\r\n c",
    "a NUL in the value": b"X-A: b\0c",
    "a bare return": b"X-A: b\rX-B: c",
    "a bare line feed": b"X-A: b\nX-B: c",
    "a name beyond ascii": b"X-\xc3\xa4: b",
    "host twice": b"Host: other.test",
    "a header of 9 KB": b"X-A: " + b"a" * 9000,
    "101 headers": b"\r\n".join(b"X-%d: a" % n for n in range(101)),
    "10,000 headers": b"\r\n".join(b"X-%d: a" % n for n in range(10_000)),
    "a strange expectation": b"Expect: 200-ok",
}


@pytest.mark.parametrize("line", HEADS.values(), ids=HEADS)
def test_a_malformed_head_is_refused(server: TargetServer, job_id: str, line: bytes) -> None:
    data = request([PROOF], failed(job_id)).replace(b"\r\n\r\n", b"\r\n" + line + b"\r\n\r\n", 1)
    assert server.exchange(data).status in (400, 417, 431)
    assert server.client.job(job_id)["status"] == "submitted"


@pytest.mark.parametrize("end", [b"\n", b"\r", b"\n\r", b"\r\r\n", b"\x0b\n", b"\0\r\n"], ids=repr)
def test_lines_that_end_otherwise_are_refused(
    server: TargetServer, job_id: str, end: bytes
) -> None:
    head, _, body = request([PROOF], failed(job_id)).partition(b"\r\n\r\n")
    answer = exchange(server.port, head.replace(b"\r\n", end) + end * 2 + body)
    assert answer is None or 400 <= answer.status < 500
    assert server.client.job(job_id)["status"] == "submitted"


def test_as_many_headers_as_allowed_are_taken(server: TargetServer) -> None:
    fill: list[Header] = [(f"X-{n}", "a") for n in range(100 - 3)]
    assert server.authentic(pending(new_id()), *fill).status == 200


def test_a_header_as_large_as_allowed_is_taken(server: TargetServer) -> None:
    assert server.authentic(pending(new_id()), ("X-A", "a" * 8000)).status == 200


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
