"""What a caller may change of a job that Fluxkeep submits itself."""

from typing import Any

import pytest

from tests.harness.floor import one_turn
from tests.sandbox import Task
from tests.system.submitting.bench import Bench
from tests.system.submitting.desk import Desk
from tests.system.submitting.test_tokens import called


@pytest.mark.parametrize(
    "body",
    [{"model": "flux-2-max"}, {"polling_url": "https://api.bfl.ai/v1/get_result?id=other"}],
    ids=str,
)
def test_an_announcement_sends_a_job_of_ours_nowhere_else(desk: Desk, body: dict[str, Any]) -> None:
    job = desk.posted(callback="never")
    before = desk.submitted(job)
    refused = desk.client.put_job(job["id"], **body)
    assert refused.status_code == 409 and "Fluxkeep submits" in refused.json()["detail"]
    by_task = desk.client.put_job(before["task_id"], **body)
    assert by_task.status_code == 409
    assert desk.client.job(job["id"])["model"] == before["model"]
    desk.box.call_back(desk.task(job).id)
    desk.stored(job)


def test_what_is_the_callers_own_can_be_announced_of_a_job_of_ours(desk: Desk) -> None:
    job = desk.posted()
    said = {"model": "flux-2-pro", "metadata": {"a": 1}}
    answer = desk.client.put_job(job["id"], **said)
    assert (answer.status_code, answer.json()["metadata"]) == (200, {"a": 1})
    desk.stored(job)


@pytest.mark.parametrize("model", ["../../internal", "a//b", "/a", "a/"])
def test_an_announcement_names_a_model_that_is_a_path(desk: Desk, model: str) -> None:
    answer = desk.client.put_job("nobodys-task", model=model)
    assert answer.status_code == 422
    assert [error["field"] for error in answer.json()["errors"]] == ["model"]


def test_a_model_that_is_no_path_fails_its_job_and_nothing_is_sent(bench: Bench) -> None:
    bench.post("a", model="../../internal")
    one_turn(bench.wired)
    failure = bench.job("a").error
    assert failure and failure.code == "unknown_model"
    assert bench.posts() == 0


def refusals(desk: Desk, job: dict[str, Any]) -> list[str]:
    timeline = desk.client.job(job["id"])["timeline"]
    return [str(line["detail"]) for line in timeline if "refused" in line["event"]]


@pytest.mark.parametrize("named", ["the task of another job", "the id of another job"])
def test_the_secret_of_an_unconfirmed_job_takes_no_name_of_another(desk: Desk, named: str) -> None:
    unconfirmed = desk.posted(submit_hang=60, callback="never")
    other = desk.posted(callback="never")
    task_id = desk.submitted(other)["task_id"]
    mine = desk.task(unconfirmed)
    told = Task(**{**vars(mine), "id": task_id if "task" in named else other["id"]})
    answer = called(mine.webhook_url, mine.webhook_secret, told)
    assert answer.status_code == 401
    assert desk.client.job(task_id)["id"] == other["id"]
    assert desk.client.job(unconfirmed["id"])["task_id"] is None
    assert "another job" in refusals(desk, unconfirmed)[0]
    for job in (other, unconfirmed):
        desk.box.call_back(desk.task(job).id)
        desk.stored(job)
