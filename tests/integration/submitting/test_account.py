"""Refusals that concern the account: which models they stop."""

import pytest

from jobs.store.submission_queue import ALL_MODELS
from receiver.checks import bfl
from receiver.checks.context import Context
from tests.harness.local_worker import LocalWorker, submission_body

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
def test_a_refusal_of_the_account_pauses_everything_and_keeps_the_order(
    worker: LocalWorker, status: int
) -> None:
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
