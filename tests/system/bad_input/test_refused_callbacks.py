"""Refused callbacks are visible to the operator: bounded, and without secrets."""

import pytest

from tests.harness.installation import WEBHOOK_SECRET
from tests.system.bad_input.target import (
    PROOF,
    SECRET_HEADER,
    SIGNATURE_HEADER,
    TargetServer,
    failed,
    increase,
    new_id,
)
from tests.system.bad_input.wire import Header

TIMELINE_MAX = 50
FLOOD = 120
REFUSED: dict[str, list[Header]] = {
    "nothing shown": [],
    "wrong secret": [(SECRET_HEADER, "wrong-secret-canary-9c0d")],
    "wrong signature": [(SIGNATURE_HEADER, f"sha256={'ab' * 32}")],
    "malformed signature": [(SIGNATURE_HEADER, "sha256=wrong-secret-canary-9c0d")],
}


@pytest.mark.parametrize("headers", REFUSED.values(), ids=REFUSED)
def test_a_refused_callback_is_shown_on_the_jobs_timeline_with_the_reason(
    server: TargetServer, job_id: str, headers: list[Header]
) -> None:
    known = server.client.job(job_id)["timeline"]
    assert server.call_back(failed(job_id), *headers).status == 401
    job = server.client.job(job_id)
    added = job["timeline"][len(known) :]
    assert job["status"] == "submitted" and job["timeline"][: len(known)] == known
    assert len(added) == 1 and "refused" in added[0]["event"] and added[0]["detail"]


@pytest.mark.parametrize("headers", REFUSED.values(), ids=REFUSED)
def test_a_refused_callback_is_counted(server: TargetServer, headers: list[Header]) -> None:
    before = server.counts()
    assert server.call_back(failed(new_id()), *headers).status == 401
    assert increase(before, server.counts()) == 1


def test_an_unreadable_refused_callback_is_counted_too(server: TargetServer) -> None:
    before = server.counts()
    assert server.call_back(b"\xff{").status == 401
    assert increase(before, server.counts()) == 1


def test_refused_credentials_are_not_stored(server: TargetServer, job_id: str) -> None:
    shown = ("wrong-secret-canary-9c0d", WEBHOOK_SECRET)
    server.call_back(failed(job_id), (SECRET_HEADER, shown[0]))
    server.call_back(failed(job_id), PROOF, PROOF)
    kept = str(server.client.job(job_id)) + repr(server.records())
    assert not [secret for secret in shown if secret in kept]


def test_a_flood_of_refused_callbacks_does_not_hide_how_the_job_began(
    server: TargetServer, job_id: str
) -> None:
    first = server.client.job(job_id)["timeline"][0]
    kinds = list(REFUSED.values())
    for n in range(FLOOD):
        assert server.call_back(failed(job_id), *kinds[n % len(kinds)]).status == 401
    job = server.client.job(job_id)
    assert job["timeline"][0] == first and len(job["timeline"]) <= TIMELINE_MAX
    assert job["status"] == "submitted"
