"""Request smuggling: no body is ever parsed as a request."""

import pytest

from tests.harness import KEYS
from tests.harness.wire import Header, chunked, conversation, request
from tests.system.bad_input.target import PROOF, TargetServer, failed, new_id, pending, statuses

ACCELERATORS = ("on", "off")
CHUNKED: Header = ("Transfer-Encoding", "chunked")
ADMIN: Header = ("x-key", KEYS["admin"])

# Transfer codings that one server might read and another overlook.
CODINGS: dict[str, list[Header]] = {
    "beside a length": [CHUNKED],
    "unknown": [("Transfer-Encoding", "xchunked")],
    "identity last": [("Transfer-Encoding", "chunked, identity")],
    "space before the colon": [("Transfer-Encoding ", "chunked")],
    "folded": [("Transfer-Encoding", "\r\n chunked")],
    "after a bare line feed": [("X-A", "b\nTransfer-Encoding: chunked")],
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


def test_a_transfer_coding_in_http_1_0_or_with_an_underscore_is_refused(
    server: TargetServer, job_id: str
) -> None:
    body = chunked(failed(job_id))
    old = request([PROOF, CHUNKED], body, length=None, version="HTTP/1.0")
    for data in (old, request([PROOF, ("Transfer_Encoding", "chunked")], body)):
        assert 400 <= server.exchange(data).status < 500


# A refused request has a body too, which must not be taken for the next one.

REFUSED: dict[str, tuple[int, list[Header], dict[str, str]]] = {
    "nobody asked": (404, [], {"target": "/nowhere"}),
    "not authentic": (401, [], {}),
    "not JSON": (400, [PROOF], {}),
    "a body that is not read": (200, [], {"method": "GET", "target": "/healthz"}),
}


@pytest.mark.parametrize(("status", "headers", "options"), REFUSED.values(), ids=REFUSED)
def test_the_body_of_a_refused_request_is_not_the_next_request(
    server: TargetServer, job_id: str, status: int, headers: list[Header], options: dict[str, str]
) -> None:
    hidden = inner(job_id)
    for data in (
        request(headers, hidden, **options),
        request([*headers, CHUNKED], chunked(hidden), length=None, **options),
    ):
        answers = conversation(server.port, [data])
        assert statuses(answers) == [status]


def test_the_rest_of_a_large_body_is_not_the_next_request(
    server: TargetServer, job_id: str
) -> None:
    filling = b" " * (2**20 + 1)
    for data in (
        request([PROOF], filling + inner(job_id)),
        request([PROOF, CHUNKED], chunked(filling, inner(job_id)), length=None),
    ):
        assert set(statuses(conversation(server.port, [data]))) <= {413}


def test_what_follows_a_refused_head_is_not_read(server: TargetServer, job_id: str) -> None:
    for bad in (b"GET\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n", b"GET / HTTP/1.1\r\nbad\r\n\r\n"):
        answers = conversation(server.port, [bad + inner(job_id)])
        assert len(answers) <= 1 and all(400 <= status < 500 for status in statuses(answers))


def test_pipelined_callbacks_have_each_its_own_proof(server: TargetServer) -> None:
    ids = [new_id() for _ in range(3)]
    sent = [request([PROOF], pending(ids[0])), request([], failed(ids[1]))]
    sent += [request([PROOF], b"{"), request([PROOF], pending(ids[2]))]
    answers = conversation(server.port, [b"".join(sent)])
    assert statuses(answers) == [200, 401, 400, 200]
    assert server.job(ids[0]) and server.job(ids[2]) and server.job(ids[1]) is None
