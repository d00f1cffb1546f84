"""Bodies with a wrong length or of the wrong size: refused, never applied in part."""

import gzip
import time
from contextlib import ExitStack

import pytest

from tests.harness.wire import Header, Wire, chunked, request
from tests.system.bad_input import target

ACCELERATORS = ("on", "off")
UNPROVEN_MAX_BYTES, BODY_MAX_BYTES = 64 * 1024, 2**20
AT_ONCE_SECONDS = 15.0  # a server that waited for the body would give up after twenty
CHUNKED: Header = ("Transfer-Encoding", "chunked")
WRONG_SECRET: Header = (target.SECRET_HEADER, "wrong")
FORGED: Header = (target.SIGNATURE_HEADER, f"sha256={'0' * 64}")


def padded(body: bytes, size: int) -> bytes:
    """The same JSON, padded to a size in bytes."""
    return body + b" " * (size - len(body))


@pytest.mark.parametrize("proof", [target.PROOF, None], ids=["secret", "signature"])
def test_the_largest_body_is_on_record(server: target.TargetServer, proof: Header | None) -> None:
    for chunky in (False, True):
        body = padded(target.pending(job_id := target.new_id()), BODY_MAX_BYTES)
        shown = [proof or target.signed(body)]
        sent = request([*shown, CHUNKED], chunked(body), length=None)
        assert server.exchange(sent if chunky else request(shown, body)).status == 200
        assert server.job(job_id)


@pytest.mark.parametrize("chunk_bytes", [None, 8192, 2**20])
def test_a_body_that_is_too_large_is_refused(
    server: target.TargetServer, job_id: str, chunk_bytes: int | None
) -> None:
    body = padded(target.failed(job_id), BODY_MAX_BYTES + 1)
    if chunk_bytes is None:
        assert server.authentic(body).status == 413
    else:
        pieces = (body[at : at + chunk_bytes] for at in range(0, len(body), chunk_bytes))
        assert server.authentic(chunked(*pieces), CHUNKED, length=None).status == 413


@pytest.mark.parametrize(
    ("proof", "length", "status"),
    [
        ([target.PROOF], BODY_MAX_BYTES + 1, 413),
        ([target.PROOF], 5_000_000_000, 413),
        ([FORGED], BODY_MAX_BYTES + 1, 413),
        ([], BODY_MAX_BYTES + 1, 413),
        ([], UNPROVEN_MAX_BYTES + 1, 401),
        ([WRONG_SECRET], BODY_MAX_BYTES, 401),
    ],
)
def test_a_length_that_is_too_large_is_refused_before_any_of_it_comes(
    server: target.TargetServer, proof: list[Header], length: int, status: int
) -> None:
    with Wire(server.port) as wire:
        wire.send(request(proof, length=str(length)))
        answer = wire.answer(AT_ONCE_SECONDS)
    assert answer and answer.status == status


def test_an_upload_without_end_is_refused_while_it_still_comes(server: target.TargetServer) -> None:
    chunk = b"10000\r\n" + b" " * 0x10000 + b"\r\n"
    with Wire(server.port) as wire:
        wire.send(request([target.PROOF, CHUNKED], length=None))
        wire.send(chunk * 18)
        answer = wire.answer()
    assert answer and answer.status == 413


def test_forged_large_bodies_leave_room_for_proven_ones(server: target.TargetServer) -> None:
    with ExitStack() as stack:
        for _ in range(40):
            wire = stack.enter_context(Wire(server.port))
            wire.send(request([FORGED], b"{", length=str(BODY_MAX_BYTES)))
        body = target.pending(target.new_id(), result={"prompt": "p" * 3 * UNPROVEN_MAX_BYTES})
        assert server.authentic(body).status == 200
        small = target.pending(target.new_id())
        assert server.call_back(small, target.signed(small)).status == 200


# tests/unit/test_patterns.py proves each pattern linear; these are the ways to the patterns.
@pytest.mark.parametrize("proof", [[], [WRONG_SECRET], [FORGED], [target.PROOF]], ids=len)
def test_a_body_of_hostile_text_delays_no_other_request(
    server: target.TargetServer, proof: list[Header]
) -> None:
    texts = ("http://?", '{"id":', "[", "\\u0000")
    bodies = [(text * UNPROVEN_MAX_BYTES).encode()[:UNPROVEN_MAX_BYTES] for text in texts]
    with server.answering_others(AT_ONCE_SECONDS):
        for body in bodies:
            assert server.exchange(request(proof, body)).status == (
                400 if target.PROOF in proof else 401
            )


LENGTHS: dict[str, list[Header]] = {
    "negative": [("Content-Length", "-1")],
    "hexadecimal": [("Content-Length", "0x50")],
    "underscore": [("Content-Length", "8_0")],
    "5000 digits": [("Content-Length", "9" * 5000)],
    "a fraction sign": [("Content-Length", b"\xbd")],
    "a list of equals": [("Content-Length", "3, 3")],
    "two": [("Content-Length", "3"), ("Content-Length", "100")],
    "two, the second 0": [("Content-Length", "3"), ("Content-Length", "0")],
    "two equal ones": [("Content-Length", "3"), ("Content-Length", "3")],
}


@pytest.mark.parametrize("lengths", LENGTHS.values(), ids=LENGTHS)
def test_a_length_that_is_not_one_number_is_refused(
    server: target.TargetServer, job_id: str, lengths: list[Header]
) -> None:
    assert server.authentic(target.failed(job_id), *lengths, length=None).status in (400, 413)


CHUNKS: dict[str, bytes] = {
    "not hexadecimal": b"zz\r\n%b\r\n0\r\n\r\n",
    "negative": b"-3\r\n%b\r\n0\r\n\r\n",
    "an underscore": b"0_%x\r\n%b\r\n0\r\n\r\n",
    "a gigabyte that never comes": b"40000000\r\n%b",
    "no end of line": b"%x%b\r\n0\r\n\r\n",
    "size too small": b"5\r\n%b\r\n0\r\n\r\n",
    "no last chunk": b"%x\r\n%b\r\n",
    "chunks of one byte": b"1\r\n \r\n" * 10_000 + b"%x\r\n%b\r\n0\r\n\r\n",
    "101 trailers": b"%x\r\n%b\r\n0\r\n" + b"X-A: b\r\n" * 101 + b"\r\n",
}


@pytest.mark.parametrize("shape", CHUNKS.values(), ids=CHUNKS)
def test_a_malformed_chunk_is_refused(
    server: target.TargetServer, job_id: str, shape: bytes
) -> None:
    body = target.failed(job_id)
    raw = shape.replace(b"%x", b"%x" % len(body)).replace(b"%b", body)
    assert server.authentic(raw, CHUNKED, length=None).status in (400, 413, 431)


def test_a_body_that_breaks_off_is_refused(server: target.TargetServer, job_id: str) -> None:
    body = target.failed(job_id)
    assert server.authentic(body, length=str(len(body) + 10)).status == 400


@pytest.mark.parametrize("chunky", [False, True], ids=["length", "chunked"])
def test_a_sender_that_vanishes_in_mid_body_leaves_nothing(
    server: target.TargetServer, job_id: str, chunky: bool
) -> None:
    body = target.failed(job_id)
    parts = request([target.PROOF, CHUNKED], chunked(body), length=None)
    whole = parts if chunky else request([target.PROOF], body)
    for end in (len(whole) - 1, len(whole) - 7, len(whole) - len(body) // 2):
        with Wire(server.port) as wire:
            wire.send(whole[:end])
            wire.reset()


@pytest.mark.parametrize("encoding", ["gzip", "identity, gzip"])
def test_an_encoded_body_is_unpacked_only_if_it_is_proven_and_within_bounds(
    server: target.TargetServer, job_id: str, encoding: str
) -> None:
    small, bomb = target.failed(job_id), b" " * 60_000_000 + target.failed(job_id)
    for body, is_proven, status in ((bomb, True, 400), (small, False, 401), (bomb, False, 401)):
        packed = gzip.compress(body)
        proof = target.signed(packed if is_proven else packed + b"-")
        began = time.monotonic()
        answer = server.call_back(packed, proof, ("Content-Encoding", encoding))
        assert answer.status == status and time.monotonic() - began < AT_ONCE_SECONDS
    another_id = server.announced_job()
    packed = gzip.compress(target.failed(another_id))
    answer = server.call_back(packed, target.signed(packed), ("Content-Encoding", encoding))
    assert answer.status == 200
    assert server.client.job(another_id)["status"] == "failed"
