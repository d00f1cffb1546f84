"""Bodies with a wrong length: refused, never applied in part."""

import gzip
import time
import zlib

import pytest

from tests.system.bad_input.target import PROOF, TargetServer, failed, new_id, pending, signed
from tests.system.bad_input.wire import Header, Wire, chunked, request

BODY_MAX_BYTES = 2**20
AT_ONCE_SECONDS = 8.0  # whoever waits for the body would take longer
CHUNKED: Header = ("Transfer-Encoding", "chunked")


def padded(body: bytes, size: int) -> bytes:
    """The same JSON, padded to a size in bytes."""
    return body + b" " * (size - len(body))


# Too large.


def test_the_largest_body_is_taken(server: TargetServer) -> None:
    body = padded(pending(new_id()), BODY_MAX_BYTES)
    assert server.authentic(body).status == 200
    assert server.authentic(chunked(body), CHUNKED, length=None).status == 200


@pytest.mark.parametrize("size", [BODY_MAX_BYTES + 1, 2 * BODY_MAX_BYTES, 30_000_000])
def test_a_body_that_is_too_large_is_refused(server: TargetServer, job_id: str, size: int) -> None:
    body = padded(failed(job_id), size)
    assert server.authentic(body).status == 413
    assert server.client.job(job_id)["status"] == "submitted"


@pytest.mark.parametrize("step", [1000, 8192, 65_536, 1_000_000])
@pytest.mark.parametrize("size", [BODY_MAX_BYTES + 1, 3_000_000])
def test_a_chunked_body_that_is_too_large_is_refused(
    server: TargetServer, job_id: str, size: int, step: int
) -> None:
    body = padded(failed(job_id), size)
    chunks = chunked(*(body[at : at + step] for at in range(0, size, step)))
    assert server.authentic(chunks, CHUNKED, length=None).status == 413
    assert server.client.job(job_id)["status"] == "submitted"


@pytest.mark.parametrize("length", ["1048577", "5000000000", "9" * 18, "9" * 40])
def test_a_length_that_is_too_large_is_refused_before_any_of_it_comes(
    server: TargetServer, length: str
) -> None:
    with Wire(server.port) as wire:
        began = time.monotonic()
        wire.send(request([PROOF], length=length))
        answer = wire.answer()
    assert answer and answer.status in (400, 413)
    assert time.monotonic() - began < AT_ONCE_SECONDS


def test_an_upload_without_end_is_refused_while_it_still_comes(server: TargetServer) -> None:
    chunk = b"10000\r\n" + b" " * 0x10000 + b"\r\n"
    with Wire(server.port) as wire:
        wire.send(request([PROOF, CHUNKED], length=None))
        wire.send(chunk * 18)
        answer = wire.answer()
    assert answer and answer.status == 413


# A length that is none.

LENGTHS: dict[str, str | bytes] = {
    "negative": "-1",
    "hexadecimal": "0x50",
    "fraction": "80.0",
    "underscore": "8_0",
    "a list of equals": "80, 80",
    "semicolon": "80;q=1",
    "a fraction sign": b"\xbd",
    "5000 digits": "9" * 5000,
    "a control byte": b"8\x010",
}


@pytest.mark.parametrize("length", LENGTHS.values(), ids=LENGTHS)
def test_a_length_that_is_no_number_is_refused(
    server: TargetServer, job_id: str, length: str | bytes
) -> None:
    assert server.authentic(failed(job_id), length=length).status in (400, 413)
    assert server.client.job(job_id)["status"] == "submitted"


@pytest.mark.parametrize("second", ["{0}", "3", "0", "-1", "999"])
@pytest.mark.parametrize("first", [True, False], ids=["true first", "true last"])
def test_two_lengths_are_refused(
    server: TargetServer, job_id: str, second: str, first: bool
) -> None:
    body = failed(job_id)
    lengths = [str(len(body)), second.format(len(body))]
    pair: list[Header] = [
        ("Content-Length", length) for length in (lengths if first else lengths[::-1])
    ]
    assert server.authentic(body, *pair, length=None).status == 400
    assert server.client.job(job_id)["status"] == "submitted"


def test_no_length_means_no_body(server: TargetServer, job_id: str) -> None:
    assert server.authentic(failed(job_id), length=None).status == 400
    assert server.client.job(job_id)["status"] == "submitted"


# Chunks that are none.

CHUNKS: dict[str, bytes] = {
    "not hexadecimal": b"zz\r\n%b\r\n0\r\n\r\n",
    "negative": b"-3\r\n%b\r\n0\r\n\r\n",
    "plus": b"+3\r\n%b\r\n0\r\n\r\n",
    "no size": b"\r\n%b\r\n0\r\n\r\n",
    "an underscore": b"0_%x\r\n%b\r\n0\r\n\r\n",
    "beyond 64 bits": b"FFFFFFFFFFFFFFFFF\r\n%b\r\n0\r\n\r\n",
    "a gigabyte that never comes": b"40000000\r\n%b",
    "no end of line": b"%x%b\r\n0\r\n\r\n",
    "bare line feeds": b"%x\n%b\n0\n\n",
    "size too small": b"5\r\n%b\r\n0\r\n\r\n",
    "no last chunk": b"%x\r\n%b\r\n",
    "extension with a bare CR": b"%x;a\rb\r\n%b\r\n0\r\n\r\n",
    "trailer without colon": b"%x\r\n%b\r\n0\r\nnonsense\r\n\r\n",
    "101 trailers": b"%x\r\n%b\r\n0\r\n" + b"X-A: b\r\n" * 101 + b"\r\n",
}


@pytest.mark.parametrize("shape", CHUNKS.values(), ids=CHUNKS)
def test_a_chunk_that_is_malformed_is_refused(
    server: TargetServer, job_id: str, shape: bytes
) -> None:
    body = failed(job_id)
    raw = shape.replace(b"%x", b"%x" % len(body)).replace(b"%b", body)
    assert server.authentic(raw, CHUNKED, length=None).status in (400, 413, 431)
    assert server.client.job(job_id)["status"] == "submitted"


# A body that is less, more or other than it says.


@pytest.mark.parametrize("missing", [1, 10, 1000])
def test_a_body_that_breaks_off_is_refused(server: TargetServer, job_id: str, missing: int) -> None:
    body = failed(job_id)
    assert server.authentic(body, length=str(len(body) + missing)).status == 400
    assert server.client.job(job_id)["status"] == "submitted"


@pytest.mark.parametrize("chunky", [False, True], ids=["length", "chunked"])
def test_a_sender_that_vanishes_in_mid_body_leaves_nothing(
    server: TargetServer, job_id: str, chunky: bool
) -> None:
    body = failed(job_id)
    whole = (
        request([PROOF, CHUNKED], chunked(body), length=None) if chunky else request([PROOF], body)
    )
    for end in (len(whole) - 1, len(whole) - 7, len(whole) - len(body) // 2):
        with Wire(server.port) as wire:
            wire.send(whole[:end])
            wire.reset()
    assert server.client.job(job_id)["status"] == "submitted"


def bomb() -> bytes:
    """A compressed body that expands to 60 MB."""
    return gzip.compress(b" " * 60_000_000 + pending(new_id()), 9)


ENCODINGS = ["gzip", "x-gzip", "deflate", "br", "identity, gzip", "GZIP"]


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_an_encoded_body_is_taken_for_what_it_is(
    server: TargetServer, job_id: str, encoding: str
) -> None:
    packed = (zlib if encoding == "deflate" else gzip).compress(failed(job_id))
    answer = server.call_back(packed, signed(packed), ("Content-Encoding", encoding))
    assert answer.status in (400, 415)
    assert server.client.job(job_id)["status"] == "submitted"


def test_a_body_is_never_unpacked(server: TargetServer) -> None:
    packed, began = bomb(), time.monotonic()
    assert len(packed) < BODY_MAX_BYTES
    answer = server.authentic(packed, ("Content-Encoding", "gzip"))
    assert answer.status in (400, 415) and time.monotonic() - began < AT_ONCE_SECONDS
