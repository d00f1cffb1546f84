"""Request smuggling: no body is ever parsed as a request."""

import json

import pytest

from tests.harness.installation import KEYS
from tests.system.bad_input.target import (
    PROOF,
    TargetServer,
    failed,
    new_id,
    pending,
    statuses,
)
from tests.system.bad_input.wire import Header, chunked, conversation, request

CHUNKED: Header = ("Transfer-Encoding", "chunked")
ADMIN: Header = ("x-key", KEYS["admin"])

# Transfer codings that one server might read and another overlook.
CODINGS: dict[str, list[Header]] = {
    "beside a length": [CHUNKED],
    "unknown": [("Transfer-Encoding", "xchunked")],
    "identity last": [("Transfer-Encoding", "chunked, identity")],
    "twice in one": [("Transfer-Encoding", "chunked, chunked")],
    "space before the colon": [("Transfer-Encoding ", "chunked")],
    "tab before the value": [("Transfer-Encoding", "\tchunked")],
    "no-break space": [("Transfer-Encoding", b"\xa0chunked")],
    "folded": [("Transfer-Encoding", "\r\n chunked")],
    "after a bare line feed": [("X-A", "b\nTransfer-Encoding: chunked")],
    "after a bare return": [("X-A", "b\rTransfer-Encoding: chunked")],
    "with a comma": [("Transfer-Encoding", "chunked,")],
}


def inner(job_id: str) -> bytes:
    """A callback that would be accepted if it were parsed as a request."""
    return request([PROOF], failed(job_id))


@pytest.mark.parametrize("coding", CODINGS.values(), ids=CODINGS)
def test_a_body_framed_in_two_ways_starts_no_second_request(
    server: TargetServer, job_id: str, coding: list[Header]
) -> None:
    hidden = inner(job_id)
    by_length = chunked() + hidden  # a reader of chunks sees an end and another request
    by_chunks = chunked(hidden)  # a reader of a short length sees it in the middle
    for body, length in ((by_length, str(len(by_length))), (by_chunks, "4")):
        data = [request([PROOF, *coding], body, length=length), inner(new_id())]
        conversation(server.port, data)
    assert server.client.job(job_id)["status"] == "submitted"


@pytest.mark.parametrize("coding", CODINGS.values(), ids=CODINGS)
def test_an_odd_transfer_coding_is_taken_or_refused_but_never_our_fault(
    server: TargetServer, coding: list[Header]
) -> None:
    body = chunked(pending(new_id()))
    answer = server.exchange(request([PROOF, *coding], body, length=None))
    assert answer.status == 200 or 400 <= answer.status < 500


@pytest.mark.parametrize("value", ["chunked", "gzip, chunked", "identity"])
def test_a_transfer_coding_in_http_1_0_is_refused(
    server: TargetServer, job_id: str, value: str
) -> None:
    body = chunked(failed(job_id))
    coded: Header = ("Transfer-Encoding", value)
    data = request([PROOF, coded], body, length=None, version="HTTP/1.0")
    assert 400 <= server.exchange(data).status < 500
    assert server.client.job(job_id)["status"] == "submitted"


def test_a_coding_with_an_underscore_is_no_coding(server: TargetServer, job_id: str) -> None:
    headers: list[Header] = [PROOF, ("Transfer_Encoding", "chunked")]
    assert server.exchange(request(headers, chunked(failed(job_id)))).status == 400
    assert server.client.job(job_id)["status"] == "submitted"


# A refused request has a body too, which must not be taken for the next one.

REFUSED: dict[str, tuple[int, list[Header], dict[str, str]]] = {
    "nobody asked": (404, [], {"target": "/nowhere"}),
    "wrong method": (405, [PROOF], {"method": "PUT"}),
    "not authentic": (401, [], {}),
    "not JSON": (400, [PROOF], {}),
    "a body that is not read": (200, [], {"method": "GET", "target": "/healthz"}),
    "a link": (403, [], {"method": "GET", "target": "/media/x"}),
}


@pytest.mark.parametrize(("status", "headers", "options"), REFUSED.values(), ids=REFUSED)
def test_the_body_of_a_refused_request_is_not_the_next_request(
    server: TargetServer,
    job_id: str,
    status: int,
    headers: list[Header],
    options: dict[str, str],
) -> None:
    hidden = inner(job_id)
    for data in (
        request(headers, hidden, **options),
        request([*headers, CHUNKED], chunked(hidden), length=None, **options),
    ):
        answers = conversation(server.port, [data])
        assert statuses(answers) == [status]
    assert server.client.job(job_id)["status"] == "submitted"


def test_the_rest_of_a_body_that_was_too_large_is_not_the_next_request(
    server: TargetServer, job_id: str
) -> None:
    filling = b" " * (2**20 + 1)
    for data in (
        request([PROOF], filling + inner(job_id)),
        request([PROOF, CHUNKED], chunked(filling, inner(job_id)), length=None),
    ):
        assert set(statuses(conversation(server.port, [data]))) <= {413}
    assert server.client.job(job_id)["status"] == "submitted"


def test_what_follows_a_refused_head_is_not_read(server: TargetServer, job_id: str) -> None:
    for bad in (b"GET\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n", b"GET / HTTP/1.1\r\nbad\r\n\r\n"):
        answers = conversation(server.port, [bad + inner(job_id)])
        assert len(answers) <= 1 and all(400 <= status < 500 for status in statuses(answers))
    assert server.client.job(job_id)["status"] == "submitted"


def test_an_asked_for_upgrade_is_not_made(server: TargetServer, job_id: str) -> None:
    for protocol in ("h2c", "websocket", "TLS/1.0"):
        upgrade: list[Header] = [("Connection", "Upgrade"), ("Upgrade", protocol)]
        answers = conversation(server.port, [request(upgrade, target="/healthz", method="GET")])
        assert answers[0].status in (200, 400)
    assert server.client.job(job_id)["status"] == "submitted"


# Requests that really follow each other.


def test_pipelined_callbacks_are_answered_in_their_order(server: TargetServer) -> None:
    ids = [new_id() for _ in range(5)]
    answers = conversation(server.port, [b"".join(request([PROOF], pending(one)) for one in ids)])
    assert statuses(answers) == [200] * 5
    assert [json.loads(answer.body)["id"] for answer in answers] == ids


def test_a_refused_callback_in_a_pipeline_does_not_affect_the_others(server: TargetServer) -> None:
    ids = [new_id() for _ in range(3)]
    sent = [request([PROOF], pending(ids[0])), request([], failed(ids[1]))]
    sent += [request([PROOF], b"{"), request([PROOF], pending(ids[2]))]
    answers = conversation(server.port, [b"".join(sent)])
    assert statuses(answers) == [200, 401, 400, 200]
    assert server.job(ids[0]) and server.job(ids[2]) and server.job(ids[1]) is None


def test_proof_is_asked_for_with_each_request_of_a_connection(
    server: TargetServer, job_id: str
) -> None:
    sent = [request([PROOF], pending(new_id())), request([], failed(job_id))]
    assert statuses(conversation(server.port, sent)) == [200, 401]
    assert server.client.job(job_id)["status"] == "submitted"
