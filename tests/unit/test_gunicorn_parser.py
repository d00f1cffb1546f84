"""The HTTP parser takes in no more than it needs to refuse a request, and parses in proportion."""

from collections.abc import Iterator
from typing import Any

import pytest
from gunicorn.config import Config
from gunicorn.http.errors import InvalidChunkSize, LimitRequestHeaders, LimitRequestLine

from deploy.gunicorn_parser import (
    CHUNK_BYTES,
    CHUNKS_MAX,
    HEAD_MAX_BYTES,
    BoundedParser,
    forwarded_scheme,
)
from tests.harness.wire import chunked, request

PACKET_BYTES = 8192
LINE = b"POST / HTTP/1.1\r\n"
FIELD = b"X-A: " + b"a" * 1000 + b"\r\n"


class Sender:
    """Packets of a client, and how many were taken in."""

    def __init__(self, *packets: bytes, then: bytes = b"", times: int = 0) -> None:
        self.received = 0
        self._packets, self._then, self._times = packets, then, times

    def __iter__(self) -> Iterator[bytes]:
        for packet in (*self._packets, *[self._then] * self._times):
            self.received += 1
            yield packet


def packets(data: bytes, size: int = PACKET_BYTES) -> list[bytes]:
    return [data[at : at + size] for at in range(0, len(data), size)]


def parser(sender: Sender) -> BoundedParser:
    return BoundedParser(Config(), sender, ("192.0.2.1", 1))


def next_body(found: BoundedParser) -> Any:
    return next(found).body


@pytest.mark.parametrize("size", [1, 100, PACKET_BYTES])
def test_a_head_without_end_is_refused_at_its_limit(size: int) -> None:
    field = packets(FIELD * (PACKET_BYTES // 8), size)
    sender = Sender(LINE, *field)
    with pytest.raises(LimitRequestHeaders):
        next(parser(sender))
    assert sender.received * size <= HEAD_MAX_BYTES + 2 * PACKET_BYTES


def test_the_last_packet_counts_up_to_the_end_of_the_head() -> None:
    filling = b"X-A: %b\r\n\r\n"
    fields = FIELD * ((HEAD_MAX_BYTES - len(LINE)) // len(FIELD) - 1)
    left = HEAD_MAX_BYTES - len(LINE + fields) - len(filling % b"") + len(b"\r\n\r\n")
    body = b"b" * 3 * PACKET_BYTES
    for length, is_taken in ((left, True), (left + 1, False)):
        head = LINE + fields + filling % (b"a" * length)
        found = parser(Sender(*packets(head + body)))
        if is_taken:
            assert len(next(found).headers) == fields.count(b"X-A") + 1
        else:
            with pytest.raises(LimitRequestHeaders):
                next(found)


def test_a_line_without_end_is_too_long_and_no_header() -> None:
    sender = Sender(then=b"a" * PACKET_BYTES, times=1000)
    with pytest.raises(LimitRequestLine):
        next(parser(sender))
    assert sender.received <= HEAD_MAX_BYTES // PACKET_BYTES + 2


def test_trailers_have_the_limit_of_headers() -> None:
    head = LINE + b"Transfer-Encoding: chunked\r\n\r\n"
    sender = Sender(head, b"0\r\n", then=FIELD, times=1000)
    with pytest.raises(LimitRequestHeaders):
        next_body(parser(sender)).read()
    assert sender.received <= HEAD_MAX_BYTES // len(FIELD) + 4


@pytest.mark.parametrize(
    ("size", "number", "is_taken"),
    [
        (1, CHUNKS_MAX - 1, True),
        (1, 2 * CHUNKS_MAX, False),
        (CHUNK_BYTES, 10 * CHUNKS_MAX, True),
        (CHUNK_BYTES - 1, 100 * CHUNKS_MAX, False),
    ],
)
def test_a_body_of_many_tiny_chunks_is_refused(size: int, number: int, *, is_taken: bool) -> None:
    head = LINE + b"Transfer-Encoding: chunked\r\n\r\n"
    body = chunked(*[b"a" * size] * number)
    found = next_body(parser(Sender(head, *packets(body))))
    if is_taken:
        assert len(found.read()) == size * number
    else:
        with pytest.raises(InvalidChunkSize):
            found.read()


def test_the_rest_of_a_body_is_discarded_in_large_pieces() -> None:
    pieces = 0
    head, data = LINE + b"Content-Length: 8388608\r\n\r\n", [b"b" * 2**20] * 8
    found = parser(Sender(head, *data, LINE + b"\r\n"))
    body = next_body(found)
    read = body.read

    def count(size: int) -> bytes:
        nonlocal pieces
        pieces += 1
        return bytes(read(size))

    body.read = count
    assert next(found).method == "POST"
    assert pieces < 200, "each piece moves all that has arrived"


@pytest.mark.parametrize(
    ("headers", "scheme"),
    [
        ([("X-Forwarded-Proto", "https"), ("X-Forwarded-Protocol", "https")], "https"),
        ([("X-Forwarded-Proto", "https"), ("X-Forwarded-Ssl", "off")], "https"),
        ([("X-Forwarded-Ssl", "on"), ("X-Forwarded-Proto", "http")], "http"),
        ([("X-Forwarded-Proto", "https,http")], "https"),
        ([("X-Forwarded-Proto", "http, https")], "http"),
        ([("X-Forwarded-Proto", "https"), ("X-Forwarded-Proto", "http")], "https"),
        ([("x-forwarded-proto", " HTTPS\t")], "https"),
        ([("X-Forwarded-Proto", "wss")], "https"),
        ([("X-Forwarded-Proto", ",https")], "https"),
        ([("X-Forwarded-Proto", ""), ("X-Forwarded-Protocol", "ssl")], "https"),
        ([("X-Forwarded-Proto", "gopher"), ("X-Forwarded-Ssl", "ON")], "https"),
        ([("X-Forwarded-Proto", "")], "http"),
        ([("Forwarded", "proto=https"), ("X-Forwarded-Port", "443")], "http"),
        ([("X_Forwarded_Proto", "https")], "http"),
    ],
)
def test_one_header_of_a_trusted_proxy_decides_about_the_scheme(
    headers: list[tuple[str, str]], scheme: str
) -> None:
    head = request(headers, method="GET", target="/")
    trusted = BoundedParser(Config(), [head], ("127.0.0.1", 1))
    assert next(trusted).scheme == scheme
    stranger = BoundedParser(Config(), [head], ("192.0.2.1", 1))
    assert next(stranger).scheme == "http"


def test_no_header_of_a_proxy_is_no_scheme() -> None:
    assert forwarded_scheme([("HOST", "keep.example"), ("X-FORWARDED-PORT", "443")]) is None
