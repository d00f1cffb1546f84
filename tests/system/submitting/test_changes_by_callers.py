"""Fields that a caller may change in a job that Fluxkeep submits."""

from typing import Any

import pytest

from tests.harness import Stack
from tests.sandbox import Task
from tests.system.submitting.environment import send_failure


@pytest.mark.parametrize(
    "body",
    [
        {"model": "flux-2-max"},
        {"polling_url": "https://api.bfl.ai/v1/get_result?id=other"},
        {"input": {"prompt": "another"}},
    ],
    ids=str,
)
def test_an_announcement_sends_a_job_of_ours_nowhere_else(env: Stack, body: dict[str, Any]) -> None:
    job = env.posted(callback="never")
    before = env.submitted(job)
    refused = env.client.put_job(job["id"], **body)
    assert refused.status_code == 409 and "Fluxkeep submits" in refused.json()["detail"]
    by_task = env.client.put_job(before["task_id"], **body)
    assert by_task.status_code == 409
    after = env.client.job(job["id"])
    assert (after["model"], after["input"]) == (before["model"], before["input"])
    env.sandbox.call_back(env.task(job).id)
    env.stored_job(job)


@pytest.mark.parametrize("named", ["the task of another job", "the id of another job"])
def test_the_secret_of_an_unconfirmed_job_takes_no_name_of_another(env: Stack, named: str) -> None:
    unconfirmed = env.posted(submit_hang=60, callback="never")
    other = env.posted(callback="never")
    task_id = env.submitted(other)["task_id"]
    mine = env.task(unconfirmed)
    named_task = Task(**{**vars(mine), "id": task_id if "task" in named else other["id"]})
    answer = send_failure(mine.webhook_url, mine.webhook_secret, named_task)
    assert answer.status_code == 401
    assert env.client.job(task_id)["id"] == other["id"]
    assert env.client.job(unconfirmed["id"])["task_id"] is None
    timeline = env.client.job(unconfirmed["id"])["timeline"]
    (refused,) = [line["detail"] for line in timeline if "refused" in line["event"]]
    assert "another job" in str(refused)
    for job in (other, unconfirmed):
        env.sandbox.call_back(env.task(job).id)
        env.stored_job(job)
