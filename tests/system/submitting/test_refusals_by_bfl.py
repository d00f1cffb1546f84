"""What BFL refuses for good fails at once, with BFL's own words."""

from typing import Any

import pytest

from tests.system.submitting.desk import Desk, events

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
    desk: Desk, status: int, code: str, message: str
) -> None:
    job = desk.posted(submit_status=status)
    failed = desk.ended(job, SECONDS)
    assert failed["status"] == "failed" and failed["task_id"] is None
    assert failed["error"] == {"code": code, "message": message}
    assert events(failed) == ["submission.queued", "submission.sent", "submission.refused"]
    assert len(desk.requests(job)) == 1 and desk.tasks(job) == []


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"width": "wide"}, "body.width: Input should be a valid integer"),
        ({"height": 1}, "body.height: Input should be greater than or equal to 64"),
        ({"prompt": 5}, "body.prompt: Input should be a valid string"),
    ],
)
def test_the_field_that_bfl_does_not_like_is_named(
    desk: Desk, wrong: dict[str, Any], message: str
) -> None:
    body = desk.request_body()
    body["input"] |= wrong
    failed = desk.ended(desk.post(body).json(), SECONDS)
    assert failed["status"] == "failed" and failed["error"]["message"] == message


def test_a_model_that_bfl_does_not_know_fails(desk: Desk) -> None:
    failed = desk.ended(desk.posted("unknown-model"), SECONDS)
    assert failed["error"] == {"code": "unknown_model", "message": "Not Found"}


def test_a_refused_job_is_submitted_again_by_a_replay(desk: Desk) -> None:
    job = desk.posted(submit_status=422, submit_times=1)
    assert desk.ended(job)["status"] == "failed"
    answer = desk.client.request("POST", f"/api/jobs/{job['id']}/rescues")
    assert answer.status_code == 202 and answer.json()["status"] == "queued"
    assert "submission.replayed" in events(desk.stored(job))


def test_a_refused_job_that_is_forgotten_leaves_nothing(desk: Desk) -> None:
    job = desk.posted(submit_status=400)
    desk.ended(job)
    assert desk.client.request("DELETE", f"/api/jobs/{job['id']}").status_code == 204
    assert desk.client.find(job["id"]) is None
    with desk.scene.installation.redis.client() as redis:
        left = [key for key in redis.scan_iter("fluxkeep:*") if job["id"].encode() in key]
    assert left == [f"fluxkeep:tombstone:{job['id']}".encode()], "but that it was deleted"
