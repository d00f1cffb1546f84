"""The webhook's limits, with the accelerator and with Flask alone."""

import json
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from tests.system.bad_input.target import (
    PROOF,
    SECRET_HEADER,
    SIGNATURE_HEADER,
    TargetServer,
    new_id,
    pending,
    signed,
    web_alone,
)
from tests.system.bad_input.wire import Header, Wire, chunked, request

SMALL_BYTES, LARGE_BYTES = 64 * 1024, 2**20
HEALTHZ_SECONDS = 1.0
FORGED_SIGNATURE: Header = (SIGNATURE_HEADER, f"sha256={'0' * 64}")
WRONG_SECRET: Header = (SECRET_HEADER, "wrong")
CHUNKED: Header = ("Transfer-Encoding", "chunked")
HOSTILE = ["http://?", "http://", "sig=", '{"id":', '"id" ', "[", "\\u0000", "1e9,", "https://a?b&"]


@pytest.fixture(scope="module", params=["on", "off"], ids="accelerator_{}".format)
def target(
    tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
) -> Iterator[TargetServer]:
    directory = tmp_path_factory.mktemp("webhook")
    with web_alone(directory, CALLBACK_ACCELERATOR=request.param, WEB_CONCURRENCY="1") as alone:
        yield alone


def hostile(piece: str, size: int) -> bytes:
    """A report whose text repeats one piece."""
    frame = len(json.dumps({"id": "x", "status": "Error", "error": ""}))
    text = piece * ((size - frame) // len(json.dumps(piece)))
    return json.dumps({"id": "x", "status": "Error", "error": text}).encode()


def slowest_healthz(target: TargetServer, until: threading.Event) -> float:
    slowest = 0.0
    while not until.is_set():
        began = time.monotonic()
        with Wire(target.port) as wire:
            wire.send(request(method="GET", target="/healthz"))
            assert wire.answer() is not None
        slowest = max(slowest, time.monotonic() - began)
    return slowest


def seconds_beside(target: TargetServer, requests: list[bytes]) -> float:
    """Seconds of the slowest /healthz response while these are sent one after the other."""
    over, found = threading.Event(), list[float]()
    watch = threading.Thread(target=lambda: found.append(slowest_healthz(target, over)))
    watch.start()
    try:
        for data in requests:
            assert target.exchange(data).status in (400, 401, 413)
    finally:
        over.set()
        watch.join()
    return found[0]


@pytest.mark.parametrize("piece", HOSTILE)
@pytest.mark.parametrize("proof", [(), (WRONG_SECRET,), (FORGED_SIGNATURE,)], ids=len)
def test_an_unauthenticated_body_delays_no_other_request(
    target: TargetServer, piece: str, proof: tuple[Header, ...]
) -> None:
    data = [request(proof, hostile(piece, SMALL_BYTES))] * 4
    data.append(request(proof, (piece * SMALL_BYTES).encode()[:SMALL_BYTES]))
    assert seconds_beside(target, data) < HEALTHZ_SECONDS


@pytest.mark.parametrize("piece", HOSTILE)
def test_an_authentic_report_of_64_kb_delays_no_other_request(
    target: TargetServer, piece: str
) -> None:
    data = [request([PROOF], hostile(piece, SMALL_BYTES).replace(b'"x"', b'""'))] * 4
    assert seconds_beside(target, data) < HEALTHZ_SECONDS


def test_an_authentic_report_of_1_mb_is_on_record(target: TargetServer) -> None:
    for chunky in (False, True):
        job_id = new_id()
        body = pending(job_id, result={"prompt": "p" * (LARGE_BYTES - 200)})
        assert SMALL_BYTES < len(body) <= LARGE_BYTES
        for proof in (PROOF, signed(body)):
            sent = request([proof, CHUNKED], chunked(body), length=None)
            answer = target.exchange(sent if chunky else request([proof], body))
            assert answer.status == 200 and target.client.job(job_id)["status"] == "submitted"


@pytest.mark.parametrize("proof", [(), (WRONG_SECRET,)], ids=["nothing", "a wrong secret"])
@pytest.mark.parametrize("length", [SMALL_BYTES + 1, LARGE_BYTES])
def test_a_large_body_is_refused_by_its_headers_alone(
    target: TargetServer, proof: tuple[Header, ...], length: int
) -> None:
    with Wire(target.port) as wire:
        wire.send(request(proof, length=str(length)))
        answer = wire.answer(5.0)
    assert answer is not None and answer.status == 401


@pytest.mark.parametrize("proof", [(), (WRONG_SECRET,), (PROOF,), (FORGED_SIGNATURE,)], ids=len)
def test_more_than_1_mb_is_413_for_everybody(
    target: TargetServer, proof: tuple[Header, ...]
) -> None:
    with Wire(target.port) as wire:
        wire.send(request(proof, length=str(LARGE_BYTES + 1)))
        answer = wire.answer(5.0)
    assert answer is not None and answer.status == 413


def test_forged_large_bodies_that_never_end_leave_room_for_proven_ones(
    target: TargetServer,
) -> None:
    with ExitStack() as stack:
        for _ in range(40):
            wire = stack.enter_context(Wire(target.port))
            wire.send(request([FORGED_SIGNATURE], b"{", length=str(LARGE_BYTES)))
        body = pending(new_id(), result={"prompt": "p" * 3 * SMALL_BYTES})
        assert target.exchange(request([PROOF], body)).status == 200
        small = pending(new_id())
        assert target.exchange(request([signed(small)], small)).status == 200


@pytest.mark.parametrize("layout", ['"id":"{}"', '"task_id" : "{}"', '"x":[1],\n"id"\t:\r\n"{}"'])
def test_a_refusal_is_noted_on_the_job_that_the_body_names(
    target: TargetServer, layout: str
) -> None:
    job_id = target.expected_job()
    body = ("{" + layout.replace("{}", job_id) + ', "status": ').encode()  # never valid JSON
    assert target.call_back(body).status == 401
    (line,) = [one for one in target.client.job(job_id)["timeline"] if "refused" in one["event"]]
    assert line["detail"] == {"reason": "no authentication"}
