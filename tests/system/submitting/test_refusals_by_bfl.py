"""Permanent refusals by BFL fail the job at once, with BFL's message."""

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
