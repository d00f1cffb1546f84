"""Refusals that concern the account: which models they stop."""

import pytest

from jobs.store.submission_queue import ALL_MODELS
from receiver.checks import bfl
from receiver.checks.context import Context
from tests.harness.worker_environment import WorkerEnvironment, submission_body

each_refusal = pytest.mark.parametrize("status", [401, 402, 403])


@each_refusal
def test_a_refusal_of_one_model_leaves_the_others_going(
    local_worker: WorkerEnvironment, status: int
) -> None:
    local_worker.post("a", "dear", submission_body(submit_status=status))
    local_worker.post("b", "cheap", submission_body())
    local_worker.work(2)
    assert list(local_worker.circuits()) == ["dear"] and local_worker.job("a").submission.is_queued
    assert local_worker.job("b").task_id
    (result,) = bfl.check_submissions(
        Context(local_worker.services.settings, local_worker.services)
    )
    assert not result.ok and "paused" in result.why


@each_refusal
def test_a_job_that_alone_is_refused_blocks_no_later_job(
    local_worker: WorkerEnvironment, status: int
) -> None:
    local_worker.post("a", given=submission_body(submit_status=status))
    local_worker.post("b", given=submission_body())
    local_worker.work()
    local_worker.close_circuits()
    local_worker.work()
    assert local_worker.job("a").submission.is_queued and local_worker.job("b").task_id
    assert local_worker.circuits() == {}


@each_refusal
def test_a_refusal_of_the_account_pauses_everything_and_keeps_the_order(
    local_worker: WorkerEnvironment, status: int
) -> None:
    local_worker.sandbox.settings.change({"submit_fault": status})
    for job_id in "ab":
        local_worker.post(job_id, job_id, submission_body())
    local_worker.work()
    assert list(local_worker.circuits()) == [ALL_MODELS]
    local_worker.close_circuits()
    assert local_worker.next() == "a"


def test_where_it_is_not_clear_the_next_probe_is_another(local_worker: WorkerEnvironment) -> None:
    """A few credits are left: enough for an image, and not for a video."""
    local_worker.sandbox.settings.change({"credits": 20.0})
    local_worker.post("a", "video", submission_body(submit_status=402))
    local_worker.post("b", "image", submission_body())
    local_worker.work()
    assert list(local_worker.circuits()) == [ALL_MODELS]
    local_worker.close_circuits()
    local_worker.work()
    assert local_worker.job("b").task_id and local_worker.circuits() == {}
