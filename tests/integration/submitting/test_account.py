"""Accounts at BFL: which models a refusal stops, and API keys with an account of their own."""

from typing import Any

import pytest

from jobs.domain.job import Job
from jobs.store.redis.keys import RECORD_PREFIX
from jobs.store.submission_queue import ALL_MODELS
from receiver.checks import bfl
from receiver.checks.context import Context
from tests.harness.local_worker import KEY, LocalWorker, submission_body

APP = {"x-key": "the-key-of-an-app"}
BODY = {"model": "flux-2-pro", "input": {"prompt": "a fox"}}

each_refusal = pytest.mark.parametrize("status", [401, 402, 403])


@each_refusal
def test_a_refusal_of_one_model_leaves_the_others_going(worker: LocalWorker, status: int) -> None:
    worker.post("a", "dear", submission_body(submit_status=status))
    worker.post("b", "cheap", submission_body())
    worker.work(2)
    assert list(worker.circuits()) == ["dear"] and worker.job("a").submission.is_queued
    assert worker.job("b").task_id
    (result,) = bfl.check_submissions(Context(worker.services.settings, worker.services))
    assert not result.ok and "paused" in result.why


@each_refusal
def test_a_job_that_alone_is_refused_blocks_no_later_job(worker: LocalWorker, status: int) -> None:
    worker.post("a", given=submission_body(submit_status=status))
    worker.post("b", given=submission_body())
    worker.work()
    worker.close_circuits()
    worker.work()
    assert worker.job("a").submission.is_queued and worker.job("b").task_id
    assert worker.circuits() == {}


@each_refusal
def test_a_refusal_of_the_account_pauses_all_in_order(worker: LocalWorker, status: int) -> None:
    worker.sandbox.settings.change({"submit_fault": status})
    for job_id in "ab":
        worker.post(job_id, job_id, submission_body())
    worker.work()
    assert list(worker.circuits()) == [ALL_MODELS]
    worker.close_circuits()
    assert worker.next() == "a"


def test_where_it_is_not_clear_the_next_probe_is_another(worker: LocalWorker) -> None:
    """A few credits are left: enough for an image, and not for a video."""
    worker.sandbox.settings.change({"credits": 20.0})
    worker.post("a", "video", submission_body(submit_status=402))
    worker.post("b", "image", submission_body())
    worker.work()
    assert list(worker.circuits()) == [ALL_MODELS]
    worker.close_circuits()
    worker.work()
    assert worker.job("b").task_id and worker.circuits() == {}


@pytest.mark.parametrize(
    "worker_settings",
    [
        {
            "API_KEYS": f"a:admin-key-of-tests:admin,d:key-12:read,b-c:{APP['x-key']}:submit",
            "BFL_API_KEY_B_C": "bfl-key-canary-of-bc",
            "BFL_API_KEY_D": "bfl-key-canary-of-bc",
            "MAX_ACTIVE": "1",
        }
    ],
)
def test_a_key_with_a_bfl_key_of_its_own_has_its_own_slots_and_pauses(
    worker: LocalWorker, api: Any
) -> None:
    worker.sandbox.set_default_switches(callback="never", seconds=60)
    others = [api.post("/api/jobs", json=BODY).json["id"] for _ in range(2)]
    ours = [api.post("/api/jobs", json=BODY, headers=APP).json["id"]]
    while worker.next():
        worker.work()
    ours.append(api.post("/api/jobs", json=BODY, headers=APP).json["id"])
    states = [worker.job(name).status for name in (*others, *ours)]
    assert states == ["submitted", "queued"] * 2
    posts = [one for one in worker.sandbox.requests if one.method == "POST"]
    assert [one.headers["x-key"] for one in posts] == [KEY, "bfl-key-canary-of-bc"]
    record = worker.redis.get(f"{RECORD_PREFIX}{ours[0]}")
    assert b"canary" not in record and b'"bfl_key":"b-c"' in record
    worker.store.change(ours[0], Job.enqueue)
    worker.work()
    api.get("/v1/credits", headers=APP)
    polls = [one for one in worker.sandbox.requests if one.method == "GET"]
    assert {one.headers.get("x-key") for one in polls} == {"bfl-key-canary-of-bc"}
    usage = worker.queue.slot_usage()
    assert (usage.used, usage.most, usage.waiting) == (2, 2, 2)
    worker.sandbox.settings.submit_fault = 403
    for name in (others[0], ours[0]):
        api.delete(f"/api/jobs/{name}")
    worker.work()
    assert [*worker.circuits()] == ["*"]
    assert worker.next() == ours[1]
