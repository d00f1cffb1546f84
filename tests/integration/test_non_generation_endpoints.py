"""Requests that make no task: refused with BFL's own host, and never a job that is unconfirmed."""

import json
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient
from redis import Redis

from jobs.domain.status import Status
from tests.harness.local_worker import KEY, LocalWorker
from tests.harness.parts import api_over, services_over
from tests.harness.reports import load

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


# Regions.


class Submitting:
    """A web process that submits to the real BFL, which takes nothing here."""

    def __init__(self, redis: Redis, directory: Path, url: str = "global") -> None:
        own = {"MEDIA_URL": directory.as_uri(), "BFL_API_KEY": KEY, "BFL_API_URL": url}
        self.services = services_over(redis, **own)

    def post(self, model: str, region: Any = None) -> Any:
        body = {"model": model, "input": {"prompt": "a"}}
        body |= {} if region is None else {"region": region}
        return api_over(self.services).post("/api/jobs", json=body)


@pytest.fixture
def submitting(redis: Redis, tmp_path: Path) -> Submitting:
    return Submitting(redis, tmp_path)


REGIONS = {
    "global": "https://api.bfl.ai",
    "eu": "https://api.eu.bfl.ai",
    "us": "https://api.us.bfl.ai",
    "eu1": "https://api.eu1.bfl.ai",
    "us1": "https://api.us1.bfl.ai",
}


@pytest.mark.parametrize("region", REGIONS)
def test_a_job_goes_to_the_region_that_it_names(submitting: Submitting, region: str) -> None:
    job = load(submitting.services.store, submitting.post("m", region).get_json()["id"])
    assert str(submitting.services.origin_of(job)) == REGIONS[region]


@pytest.mark.parametrize("region", ["", "asia", "EU", "https://api.eu.bfl.ai", 1])
def test_a_region_that_bfl_does_not_have_is_refused(submitting: Submitting, region: Any) -> None:
    answer = submitting.post("m", region)
    assert answer.status_code == 422 and "region" in json.dumps(answer.get_json()["errors"])


@pytest.mark.parametrize(
    ("region", "status"), [("eu", 202), ("eu1", 202), ("us", 422), ("us1", 422), ("global", 422)]
)
def test_nothing_of_a_job_leaves_the_region_of_bfl_api_url(
    redis: Redis, tmp_path: Path, region: str, status: int
) -> None:
    assert Submitting(redis, tmp_path, "eu").post("m", region).status_code == status
