"""Requests that make no task: refused with BFL's own host, and never a job that is unconfirmed."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient

from jobs.bfl import submissions as bfl_submissions
from jobs.status import Status
from receiver.app import create_app
from receiver.checks.bfl import check_regions
from receiver.checks.context import Context
from receiver.checks.result import Grade
from tests.harness import RedisServer
from tests.harness.worker_environment import process_one
from tests.sandbox import Sandbox
from tests.system.submitting.local_worker import KEY, LocalWorker, built

ADMIN = {"x-key": "admin-key-of-tests"}
ELSEWHERE = ["finetune", "delete_finetune", "my_finetunes", "finetune_details"]


@pytest.fixture
def local_worker(
    redis_server: RedisServer, tmp_path: Path, sandbox: Sandbox
) -> Iterator[LocalWorker]:
    wired = built(redis_server, tmp_path, BFL_SANDBOX_URL=sandbox.url, BFL_API_KEY=KEY)
    yield LocalWorker(wired, sandbox)
    wired.redis.close()


@pytest.fixture
def client(local_worker: LocalWorker) -> FlaskClient:
    return create_app(local_worker.wired).test_client()


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("path", ELSEWHERE)
def test_the_drop_in_names_bfls_own_host(client: FlaskClient, path: str, method: str) -> None:
    answer = client.open(f"/v1/{path}", method=method, json={"finetune_id": "f"}, headers=ADMIN)
    assert 400 <= answer.status_code < 500
    reply = answer.get_json()
    assert (
        f"https://api.bfl.ai/v1/{path}" in reply["message"] and reply["detail"] == reply["message"]
    )


@pytest.mark.parametrize("model", [*ELSEWHERE, "get_result", "credits", "finetune/x"])
def test_a_submission_names_bfls_own_host(client: FlaskClient, model: str) -> None:
    answer = client.post("/api/jobs", json={"model": model, "input": {}}, headers=ADMIN)
    assert answer.status_code == 422
    (error,) = answer.get_json()["errors"]
    assert error["field"] == "model" and "https://api.bfl.ai/v1/" in error["message"]


@pytest.mark.parametrize("model", ["finetuned", "my-finetune", "flux-pro-1.1-ultra-finetuned"])
def test_what_only_sounds_like_it_is_a_model(model: str) -> None:
    assert bfl_submissions.is_generation(model)


def test_an_answer_without_a_task_fails_the_job(local_worker: LocalWorker) -> None:
    """BFL may have more of such paths than anybody knows here."""
    local_worker.post("a", "finetune", b'{"prompt": "a"}')
    process_one(local_worker.wired)
    job = local_worker.job("a")
    assert job.status is Status.FAILED and not job.submission.unconfirmed
    assert job.error and job.error.code == "no_task"
    assert "https://api.bfl.ai/v1/finetune" in job.error.message


# Fine-tuned models and regions.


def submitted(client: FlaskClient, model: str, **more: Any) -> Any:
    body = {"model": model, "input": {"prompt": "a"}, **more}
    return client.post("/api/jobs", json=body, headers=ADMIN)


def with_region(redis_server: RedisServer, tmp_path: Path, url: str) -> FlaskClient:
    wired = built(redis_server, tmp_path, BFL_API_KEY=KEY, BFL_API_URL=url)
    return create_app(wired).test_client()


@pytest.mark.parametrize(
    ("model", "region", "warned"),
    [
        ("flux-pro-1.1-ultra-finetuned", None, True),
        ("flux-pro-1.1-ultra-finetuned", "global", True),
        ("flux-pro-1.1-ultra-finetuned", "eu1", False),
        ("flux-2-klein-9b-kv-finetuned", None, False),
        ("flux-pro-1.1-ultra", None, False),
    ],
)
def test_a_fine_tuned_model_on_the_global_host_is_warned_about(
    redis_server: RedisServer, tmp_path: Path, model: str, region: str | None, *, warned: bool
) -> None:
    client = with_region(redis_server, tmp_path, "global")
    more = {"region": region} if region else {}
    job = submitted(client, model, **more).get_json()
    assert ("submission.region_doubtful" in [line["event"] for line in job["timeline"]]) is warned


@pytest.mark.parametrize(
    ("model", "region", "grade"),
    [
        ("flux-pro-1.1-ultra-finetuned", None, Grade.WARNING),
        ("flux-pro-1.1-ultra-finetuned", "us1", Grade.OK),
        ("flux-2-klein-9b-kv-finetuned", None, Grade.OK),
        ("flux-2-pro", None, Grade.OK),
    ],
)
def test_doctor_names_fine_tuned_models_that_go_to_the_global_host(
    redis_server: RedisServer, tmp_path: Path, model: str, region: str | None, grade: Grade
) -> None:
    wired = built(redis_server, tmp_path, BFL_API_KEY=KEY)
    submitted(create_app(wired).test_client(), model, **({"region": region} if region else {}))
    (result,) = check_regions(Context(wired.settings, wired))
    assert result.grade is grade and (grade is Grade.OK or model in result.why)


REGIONS = {
    "global": "https://api.bfl.ai",
    "eu": "https://api.eu.bfl.ai",
    "us": "https://api.us.bfl.ai",
    "eu1": "https://api.eu1.bfl.ai",
    "us1": "https://api.us1.bfl.ai",
}


@pytest.mark.parametrize("region", REGIONS)
def test_a_job_goes_to_the_region_that_it_names(
    redis_server: RedisServer, tmp_path: Path, region: str
) -> None:
    wired = built(redis_server, tmp_path, BFL_API_KEY=KEY)
    job_id = submitted(create_app(wired).test_client(), "m", region=region).get_json()["id"]
    job = wired.store.load(job_id)
    assert job and str(wired.origin_of(job)) == REGIONS[region]


@pytest.mark.parametrize("region", ["", "asia", "EU", "https://api.eu.bfl.ai", 1])
def test_a_region_that_bfl_does_not_have_is_refused(
    redis_server: RedisServer, tmp_path: Path, region: Any
) -> None:
    client = with_region(redis_server, tmp_path, "global")
    answer = submitted(client, "m", region=region)
    assert answer.status_code == 422 and "region" in json.dumps(answer.get_json()["errors"])


@pytest.mark.parametrize(
    ("region", "status"), [("eu", 202), ("eu1", 202), ("us", 422), ("us1", 422), ("global", 422)]
)
def test_nothing_of_a_job_leaves_the_region_of_bfl_api_url(
    redis_server: RedisServer, tmp_path: Path, region: str, status: int
) -> None:
    client = with_region(redis_server, tmp_path, "eu")
    answer = submitted(client, "m", region=region)
    assert answer.status_code == status
