"""Requests that make no task: refused with BFL's own host, and never a job that is unconfirmed."""

import json
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient
from redis import Redis

from jobs.domain.status import Status
from jobs.services import Services
from tests.harness.local_worker import KEY, LocalWorker
from tests.harness.parts import api_over, services_over
from tests.harness.reports import load
from worker.dispatcher import JobDispatcher

LICENSES = "licenses/models/flux-dev/usage"
ELSEWHERE = ["finetune", "delete_finetune", "my_finetunes", "finetune_details", LICENSES]


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("path", ELSEWHERE)
def test_the_drop_in_names_bfls_own_host(api: FlaskClient, path: str, method: str) -> None:
    answer = api.open(f"/v1/{path}", method=method, json={"finetune_id": "f"})
    assert answer.status_code == 404
    reply = answer.get_json()
    assert (
        f"https://api.bfl.ai/v1/{path}" in reply["message"] and reply["detail"] == reply["message"]
    )


@pytest.mark.parametrize("model", [*ELSEWHERE, "get_result", "credits", "finetune/x"])
def test_a_submission_names_bfls_own_host(api: FlaskClient, model: str) -> None:
    answer = api.post("/api/jobs", json={"model": model, "input": {}})
    assert answer.status_code == 422
    (error,) = answer.get_json()["errors"]
    assert error["field"] == "model" and "https://api.bfl.ai/v1/" in error["message"]


def test_an_answer_without_a_task_fails_the_job(worker: LocalWorker) -> None:
    """BFL may have more of such paths than anybody knows here."""
    worker.post("a", "finetune", {"prompt": "a"})
    worker.work()
    job = worker.job("a")
    assert job.status is Status.FAILED and not job.submission.unconfirmed
    assert job.error and job.error.code == "no_task"
    assert job.error.message.startswith("BFL's answer names no task. Perhaps finetune is no")
    assert "https://api.bfl.ai/v1/finetune" in job.error.message


def in_region(redis: Redis, directory: Path, url: str) -> Services:
    """A web process that submits to the real BFL, which takes nothing here."""
    own = {"MEDIA_URL": directory.as_uri(), "BFL_API_KEY": KEY, "BFL_API_URL": url}
    return services_over(redis, **own)


@pytest.mark.parametrize(
    ("url", "region", "origin"),
    [
        ("global", "global", "https://api.bfl.ai"),
        *(("global", one, f"https://api.{one}.bfl.ai") for one in ("eu", "us", "eu1", "us1")),
        *(("eu", one, f"https://api.{one}.bfl.ai") for one in ("eu", "eu1")),
        *(("eu", one, None) for one in ("us", "us1", "global")),
        *(("global", one, None) for one in ("", "asia", "EU", "https://api.eu.bfl.ai", 1)),
    ],
)
def test_a_job_goes_to_the_region_that_it_names_within_that_of_bfl_api_url(
    redis: Redis, tmp_path: Path, url: str, region: Any, origin: str | None
) -> None:
    services = in_region(redis, tmp_path, url)
    body = {"model": "m", "input": {"prompt": "a"}, "region": region}
    answer = api_over(services).post("/api/jobs", json=body).get_json()
    if origin:
        assert str(services.origin_of(load(services.store, answer["id"]))) == origin
    else:
        assert answer["status"] == 422 and "region" in json.dumps(answer["errors"])


@pytest.mark.parametrize(("host", "status"), [("api.eu4", 201), ("api.us1", 422), ("api", 422)])
def test_a_caller_may_name_no_polling_url_outside_the_region(
    redis: Redis, tmp_path: Path, host: str, status: int
) -> None:
    body = {"polling_url": f"https://{host}.bfl.ai/v1/get_result?id=a"}
    answer: Any = api_over(in_region(redis, tmp_path, "eu")).put("/api/jobs/a", json=body)
    assert answer.status_code == status
    assert status == 201 or answer.json["errors"][0]["field"] == "polling_url"


SAMPLE = "https://delivery-us1.bfl.ai/results/a/sample.jpeg?se=2099-01-01T00%3A00%3A00Z&sig=a"


def test_media_outside_the_region_are_not_fetched(redis: Redis, tmp_path: Path) -> None:
    services = in_region(redis, tmp_path, "eu")
    client, secret = api_over(services), {"X-Webhook-Secret": "webhook-secret-of-tests"}
    body = {"id": "a", "status": "Ready", "result": {"sample": SAMPLE}}
    accepted = client.post("/webhooks/bfl", json=body, headers=secret)
    assert accepted.status_code == 200
    assert JobDispatcher(services).process_next()
    job = client.get("/api/jobs/a").json
    assert job is not None and job["status"] == "ready"
    assert "is not in the region eu" in str(job["timeline"])
