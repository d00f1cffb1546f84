"""A job is posted, submitted as given, and stored, or refused by BFL for good."""

import base64
import json
import os
from typing import Any

import pytest

from tests.harness import Stack
from tests.harness.smallest_inputs import IMAGE
from tests.system.submitting.conftest import events

IMAGE_BYTES = 15_000_000  # 20 MB as base64
WEBHOOK_FIELDS = ("webhook_url", "webhook_secret")


def ordered(raw: bytes) -> list[Any]:
    """JSON with the order of its members and the kinds of its numbers."""
    found: list[Any] = json.loads(raw, object_pairs_hook=list)
    return [pair for pair in found if pair[0] not in WEBHOOK_FIELDS]


def test_a_job_is_queued_then_submitted_then_stored(env: Stack) -> None:
    job = env.posted(seconds=0.5)
    assert (job["status"], job["task_id"], job["model"]) == ("queued", None, "flux-2-pro")
    submitted = env.submitted(job)
    assert submitted["task_id"] == env.task(job).id != job["id"]
    stored = env.stored_job(job)
    assert events(stored) == [
        "submission.queued",
        "submission.sent",
        "submission.accepted",
        "callback.accepted",
        "job.stored",
    ]
    assert stored["source"] == "callback" and stored["cost"] == 3.0


def test_a_job_has_its_address_its_metadata_and_the_path_of_its_model(env: Stack) -> None:
    body = env.request_body("flux-tools/vto-v2") | {"metadata": {"customer": "é", "n": [1, 2.0]}}
    answer = env.post(body)
    assert answer.headers["Location"] == f"/api/jobs/{answer.json()['id']}"
    job = env.stored_job(answer.json() | {"body": body})
    assert job["metadata"] == {"customer": "é", "n": [1, 2.0]}
    assert env.task({"body": body}).model == "flux-tools/vto-v2"


def test_the_input_reaches_bfl_as_it_was_meant(env: Stack) -> None:
    text = (
        '{"z": 1, "a": 1.0, "big": 123456789012345678901234567890, "small": 1e-07, "minus": -0.0,'
        ' "prompt": "untouched \\u00e9 \\ud83d\\ude00 \\u2028 \\" \\\\ \\u0000", "none": null,'
        ' "": "empty name", "unknown_field": [[], {}, {"y": {"x": [true, false, 0, 0.0]}}],'
        ' "sandbox": {"seconds": 0.02}, "b": "2"}'
    )
    answer = env.post(f'{{"model": "flux-2-pro", "input": {text}}}'.encode())
    assert answer.status_code == 202, answer.text
    env.ended(answer.json())
    (seen,) = [request for request in env.requests() if b"untouched" in request.body]
    assert repr(ordered(seen.body)) == repr(ordered(text.encode()))


def test_a_large_image_reaches_bfl_byte_for_byte(env: Stack) -> None:
    image = base64.b64encode(IMAGE + os.urandom(IMAGE_BYTES)).decode()
    body = env.request_body() | {"metadata": {"n": 1}}
    body["input"]["input_image"] = image
    answer = env.post(body)
    job = env.stored_job(answer.json() | {"body": body})
    assert env.tasks({"body": body})[0].input["input_image"] == image
    assert job["metadata"] == {"n": 1} and image[:100] not in json.dumps(job)


def test_a_job_whose_model_lives_in_one_region_is_stored(env: Stack) -> None:
    env.stored_job(env.posted("flux-pro-1.1-ultra-finetuned"))


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
    failed = env.ended(job, 10.0)
    assert failed["status"] == "failed" and failed["task_id"] is None
    assert failed["error"] == {"code": code, "message": message}
    assert events(failed) == ["submission.queued", "submission.sent", "submission.refused"]
    assert len(env.requests(job)) == 1 and env.tasks(job) == []
