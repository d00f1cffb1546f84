"""Requests that make no task: refused with BFL's own host, and never a job that is unconfirmed."""

import json
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient

from jobs.domain.status import Status
from receiver.app import create_app
from tests.harness import RedisServer
from tests.harness.reports import load
from tests.harness.worker_environment import KEY, WorkerEnvironment, built, process_one

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


def test_an_answer_without_a_task_fails_the_job(local_worker: WorkerEnvironment) -> None:
    """BFL may have more of such paths than anybody knows here."""
    local_worker.post("a", "finetune", {"prompt": "a"})
    process_one(local_worker.services)
    job = local_worker.job("a")
    assert job.status is Status.FAILED and not job.submission.unconfirmed
    assert job.error and job.error.code == "no_task"
    assert job.error.message.startswith("BFL's answer names no task. Perhaps finetune is no")
    assert "https://api.bfl.ai/v1/finetune" in job.error.message


# Regions.


class Submitting:
    """A web process that submits to the real BFL, which takes nothing here."""

    def __init__(self, redis_server: RedisServer, directory: Path, url: str = "global") -> None:
        self.services = built(redis_server, directory, BFL_API_KEY=KEY, BFL_API_URL=url)

    def post(self, model: str, region: Any = None) -> Any:
        body = {"model": model, "input": {"prompt": "a"}}
        body |= {} if region is None else {"region": region}
        headers = {"x-key": "admin-key-of-tests"}
        return create_app(self.services).test_client().post("/api/jobs", json=body, headers=headers)


@pytest.fixture
def submitting(redis_server: RedisServer, tmp_path: Path) -> Submitting:
    return Submitting(redis_server, tmp_path)


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
    redis_server: RedisServer, tmp_path: Path, region: str, status: int
) -> None:
    assert Submitting(redis_server, tmp_path, "eu").post("m", region).status_code == status
