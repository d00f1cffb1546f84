"""Models that refuse a webhook as an unknown field: FLUX 3, as BFL has it."""

import json
from typing import Any

import pytest

from jobs.bfl import submissions as bfl_submissions
from jobs.domain.status import Status
from tests.harness.local_worker import LocalWorker
from tests.harness.smallest_inputs import smallest_input

STRICT = ["flux-3-image", "flux-3-video", "flux-tools/video-edit-v1"]
PUBLIC = "https://keep.example"


@pytest.fixture
def worker_settings() -> dict[str, str]:
    return {"PUBLIC_URL": PUBLIC}


def asked(model: str, **fields: Any) -> dict[str, Any]:
    return {**smallest_input(model), "sandbox": {"seconds": 0}, **fields}


def submit(worker: LocalWorker, job_id: str, model: str, **fields: Any) -> list[dict[str, Any]]:
    """Submit the job and return the body that BFL received."""
    before = worker.posts()
    worker.post(job_id, model, asked(model, **fields))
    worker.work()
    seen = [request for request in worker.sandbox.requests if request.method == "POST"]
    return [json.loads(request.body) for request in seen[before:]]


@pytest.mark.parametrize("model", STRICT)
def test_a_strict_model_is_tried_again_without_a_webhook(worker: LocalWorker, model: str) -> None:
    first, second = submit(worker, "a", model)
    assert set(first) - set(second) == {"webhook_url", "webhook_secret"}
    job, now = worker.job("a"), worker.store.now()
    assert job.status is Status.SUBMITTED and job.task_id == worker.sandbox.tasks()[0].id
    grace = worker.timeouts.grace(None)
    assert job.polling.next_check_at and job.polling.next_check_at < now + grace / 2, "polled"


def test_a_strict_model_is_remembered_for_a_day(worker: LocalWorker) -> None:
    submit(worker, "a", "flux-3-image")
    (sent,) = submit(worker, "other", "flux-2-pro")
    assert sent["webhook_url"].startswith(f"{PUBLIC}/webhooks/bfl/") and sent["webhook_secret"]
    (only,) = submit(worker, "b", "flux-3-image")
    assert "webhook_url" not in only and worker.job("b").task_id
    ttl = worker.redis.ttl("fluxkeep:strict_model:flux-3-image")
    assert 86_000 < ttl <= 86_400
    worker.redis.delete("fluxkeep:strict_model:flux-3-image")
    assert len(submit(worker, "c", "flux-3-image")) == 2


@pytest.mark.parametrize("fields", [{"seed": 7}, {"width": 64, "height": 64}, {"whatever": None}])
def test_a_422_about_another_field_is_final(worker: LocalWorker, fields: dict[str, Any]) -> None:
    sent = submit(worker, "a", "flux-3-image", **fields)
    job = worker.job("a")
    assert job.status is Status.FAILED and job.error and job.error.code == "invalid_input"
    assert len(sent) == 1 and not worker.sandbox.tasks()
    said = json.dumps(job.error.answer)
    assert all(f'"{name}"' in said for name in fields)
    assert "webhook" not in said + job.error.message, "only its own mistakes are told"


def test_a_refusal_never_repeats_the_secret_of_our_webhook(worker: LocalWorker) -> None:
    submit(worker, "a", "flux-3-image", seed=7)
    assert worker.services.tokens.secret("a") not in repr(worker.job("a"))
    body = {"prompt": 5, "webhook_secret": "canary"}
    missing = {"loc": ["body", "width"], "msg": "Field required", "input": body}
    failure = bfl_submissions.parse_rejection(422, json.dumps({"detail": [missing]}).encode())
    assert "canary" not in repr(failure) and "width" in repr(failure.answer)
