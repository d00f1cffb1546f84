"""Permanent refusals by BFL fail the job at once, with BFL's message."""

from typing import Any

import pytest

from tests.harness import Stack
from tests.system.submitting.environment import events

SECONDS = 10.0


@pytest.mark.parametrize(
    ("status", "code", "message"),
    [
        (400, "invalid_input", "Invalid request"),
        (404, "unknown_model", "Not Found"),
        (422, "invalid_input", "body.width: Input should be a multiple of 16"),
    ],
)
def test_a_refusal_fails_the_job_with_bfls_words(
    env: Stack, status: int, code: str, message: str
) -> None:
    job = env.posted(submit_status=status)
    failed = env.ended(job, SECONDS)
    assert failed["status"] == "failed" and failed["task_id"] is None
    assert failed["error"] == {"code": code, "message": message}
    assert events(failed) == ["submission.queued", "submission.sent", "submission.refused"]
    assert len(env.requests(job)) == 1 and env.tasks(job) == []


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"width": "wide"}, "body.width: Input should be a valid integer"),
        ({"height": 1}, "body.height: Input should be greater than or equal to 64"),
        ({"prompt": 5}, "body.prompt: Input should be a valid string"),
    ],
)
def test_the_field_that_bfl_does_not_like_is_named(
    env: Stack, wrong: dict[str, Any], message: str
) -> None:
    body = env.request_body()
    body["input"] |= wrong
    failed = env.ended(env.post(body).json(), SECONDS)
    assert failed["status"] == "failed" and failed["error"]["message"] == message


def test_a_refused_job_is_submitted_again_by_a_replay(env: Stack) -> None:
    job = env.posted(submit_status=422, submit_times=1)
    assert env.ended(job)["status"] == "failed"
    answer = env.client.request("POST", f"/api/jobs/{job['id']}/rescues")
    assert answer.status_code == 202 and answer.json()["status"] == "queued"
    assert "submission.replayed" in events(env.stored_job(job))


def test_a_refused_job_that_is_deleted_leaves_nothing(env: Stack) -> None:
    job = env.posted(submit_status=400)
    env.ended(job)
    assert env.client.request("DELETE", f"/api/jobs/{job['id']}").status_code == 204
    assert env.client.find(job["id"]) is None
    with env.installation.redis.client() as redis:
        left = [key for key in redis.scan_iter("fluxkeep:*") if job["id"].encode() in key]
    assert left == [f"fluxkeep:tombstone:{job['id']}".encode()], "but that it was deleted"
