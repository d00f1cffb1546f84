"""Deeply nested JSON never creates an unreadable record."""

import json
from collections.abc import Callable, Iterator

import pytest

from jobs.store.keys import DUE, PENDING_POLLS, PENDING_RESCUES, RECORD_PREFIX, STATUS_PREFIX
from tests.harness.installation import KEYS
from tests.system.bad_input.target import TargetServer, new_id
from tests.system.bad_input.wire import Header, request

ADMIN: Header = ("x-key", KEYS["admin"])
SUBMIT: Header = ("x-key", KEYS["submit"])
DEPTHS = (50, 100, 150, 190, 199, 200, 210, 225, 250, 256, 300, 400, 490, 600, 800, 950, 990)
SAMPLE = "https://delivery-eu1.bfl.ai/results/a/sample.jpeg"

# Fields that BFL, or a thief of its secret, can nest.
PLACES = {
    "result": '"status":"Ready","result":{"sample":"%(url)s","x":%(nest)s}',
    "result of a pending task": '"status":"Pending","result":{"x":%(nest)s}',
    "samples": '"status":"Ready","result":{"sample":"%(url)s","samples":%(nest)s}',
    "error": '"status":"Error","error":%(nest)s',
    "message": '"status":"Error","message":%(nest)s',
    "details": '"status":"Error","details":%(nest)s',
    "detail": '"status":"Error","detail":%(nest)s',
    "reasons": '"status":"Content Moderated","details":{"Moderation Reasons":%(nest)s}',
    "progress": '"status":"Pending","progress":%(nest)s',
    "an unknown field": '"status":"Pending","x":%(nest)s',
}
NESTS = {"lists": ("[", "]"), "objects": ('{"a":', "}"), "both": ('[{"msg":', "}]")}


@pytest.fixture
def fresh_id(server: TargetServer) -> Iterator[Callable[[], str]]:
    """Factory of job ids that are deleted after the test."""
    given: list[str] = []

    def fresh() -> str:
        given.append(new_id())
        return given[-1]

    yield fresh
    with server.installation.redis.client() as redis:
        redis.delete(*(RECORD_PREFIX + job_id for job_id in given))
        for key in (DUE, PENDING_RESCUES, PENDING_POLLS, *redis.scan_iter(f"{STATUS_PREFIX}*")):
            redis.zrem(key, *given)


def _nest(kind: str, depth: int) -> str:
    opening, closing = NESTS[kind]
    return opening * (depth // len(closing)) + "1" + closing * (depth // len(closing))


def _readable(server: TargetServer, job_ids: list[str]) -> None:
    for where in [f"/api/jobs/{job_id}" for job_id in job_ids] + ["/api/jobs?limit=200"]:
        shown = server.exchange(request([ADMIN], method="GET", target=where))
        assert shown.status == 200, shown.body[:200]


@pytest.mark.parametrize("kind", NESTS)
@pytest.mark.parametrize("place", PLACES)
def test_a_nested_report_is_refused_or_stays_readable(
    server: TargetServer, fresh_id: Callable[[], str], place: str, kind: str
) -> None:
    accepted = []
    for depth in DEPTHS:
        job_id = fresh_id()
        fields = PLACES[place] % {"url": SAMPLE, "nest": _nest(kind, depth)}
        answer = server.authentic(f'{{"id":"{job_id}",{fields}}}'.encode())
        assert answer.status in (200, 400), f"{answer.status} at depth {depth}"
        accepted += [job_id] if answer.status == 200 else []
    _readable(server, accepted)


@pytest.mark.parametrize("kind", NESTS)
def test_nested_metadata_is_refused_or_stays_readable(
    server: TargetServer, fresh_id: Callable[[], str], kind: str
) -> None:
    accepted = []
    for depth in DEPTHS:
        job_id = fresh_id()
        body = f'{{"metadata":{{"x":{_nest(kind, depth)}}}}}'.encode()
        data = request([SUBMIT], body, method="PUT", target=f"/api/jobs/{job_id}")
        answer = server.exchange(data)
        assert answer.status in (200, 201, 400, 422), f"{answer.status} at depth {depth}"
        accepted += [job_id] if answer.status in (200, 201) else []
    _readable(server, accepted)


def test_one_record_that_cannot_be_read_does_not_hide_the_others(
    server: TargetServer, fresh_id: Callable[[], str]
) -> None:
    good, broken = server.expected_job(), fresh_id()
    server.authentic(json.dumps({"id": broken, "status": "Pending"}).encode())
    with server.installation.redis.client() as redis:
        redis.set(RECORD_PREFIX + broken, b"1 {broken")
    listed = server.exchange(request([ADMIN], method="GET", target="/api/jobs?limit=200"))
    assert listed.status == 200
    assert good in {job["id"] for job in json.loads(listed.body)["jobs"]}
