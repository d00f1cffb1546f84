"""Order of the submission queues, and jobs that block no other."""

from collections.abc import Callable

import pytest

from jobs import ingest, submission
from jobs.job import LEASE_SECONDS, Job
from jobs.report import Failure, Report
from jobs.status import ReportKind, Source, Status
from jobs.store.keys import ACTIVE, QUEUE_PREFIX, QUEUES, RECORD_PREFIX
from jobs.store.submission_queue import ALL_MODELS, NextSubmission
from jobs.timeouts import Timeouts
from tests.harness.worker_environment import process_one
from tests.system.submitting.local_worker import LocalWorker
from worker.claim import Claim
from worker.sweep import sweep

STEPS: dict[str, Callable[[Job, float, Timeouts], Job]] = {
    "busy": lambda job, now, _: submission.requeue(job, now, "busy"),
    "refused": lambda job, now, _: submission.refuse(job, now, Failure("a", "b")),
    "an error": lambda job, now, timeouts: submission.back_off(
        job, now, "why", timeouts, has_webhook=True, is_counted=True
    ),
    "no answer": lambda job, now, timeouts: submission.await_confirmation(
        job, now, "why", timeouts, has_webhook=True
    ),
}


def test_the_longest_waiting_job_that_may_start_goes_first(local_worker: LocalWorker) -> None:
    for job_id, model in (("a", "small"), ("b", "small"), ("c", "large"), ("d", "other")):
        local_worker.post(job_id, model)
    assert local_worker.admit().job.id == "a"
    assert local_worker.admit().job.id == "c", "the slot of its model is taken"
    assert local_worker.next() is None


def test_a_released_slot_goes_to_the_head_of_the_queue(local_worker: LocalWorker) -> None:
    for job_id in "abcd":
        local_worker.post(job_id)
    claim, _ = local_worker.admit(), local_worker.admit()
    assert local_worker.next() is None
    local_worker.without_rq_jobs()
    claim.commit(lambda job, now: submission.refuse(job, now, Failure("a", "b")))
    assert local_worker.next() == "c" and local_worker.rq_jobs() == 1


def test_a_postponed_job_keeps_its_position(local_worker: LocalWorker) -> None:
    for job_id in "ab":
        local_worker.post(job_id)
    local_worker.admit().commit(lambda job, now: submission.requeue(job, now, "busy"))
    assert local_worker.next() == "a"


@pytest.mark.parametrize("step", STEPS)
def test_what_bfl_has_called_about_is_not_denied_by_its_answer(
    local_worker: LocalWorker, step: str
) -> None:
    local_worker.post("a")
    claim, timeouts = local_worker.admit(), local_worker.wired.settings.timeouts
    report = Report(task_id="t", kind=ReportKind.PROGRESS, source=Source.CALLBACK)
    ingest.apply_report(local_worker.wired.store, report, timeouts, "a")
    claim.commit(lambda job, now: STEPS[step](job, now, timeouts))
    job = local_worker.job("a")
    assert (job.status, job.task_id, job.submission.unconfirmed) == (Status.SUBMITTED, "t", False)
    assert job.submission.slot and not job.submission.is_queued and job.check.lease_until is None


def test_the_slot_of_a_worker_that_died_is_given_back_and_nothing_sent_again(
    local_worker: LocalWorker,
) -> None:
    local_worker.post("a", "small")
    local_worker.post("b", "small")
    local_worker.admit()
    timeouts = local_worker.wired.settings.timeouts
    for later in (LEASE_SECONDS, submission.UNANSWERED_SLOT_SECONDS):

        def look(job: Job | None, now: float, late: float = later) -> Job | None:
            return job and submission.check(job, now + late, timeouts)

        local_worker.wired.store.update("a", look)
    assert local_worker.job("a").submission.unconfirmed and local_worker.next() == "b"


def test_two_concurrent_workers_do_not_take_the_same_slot(
    local_worker: LocalWorker,
) -> None:
    for job_id in "abc":
        local_worker.post(job_id, "small")
    found = local_worker.wired.submission_queue.next()
    assert found and Claim.admit(local_worker.wired, found)
    late = NextSubmission("b", "small", ())
    assert Claim.admit(local_worker.wired, late) is None, "its record would be the second"
    assert local_worker.job("b").submission.is_queued
    assert local_worker.redis.zcard(f"{ACTIVE}:small") == 1


def test_a_late_worker_does_not_remove_a_requeued_job(
    local_worker: LocalWorker,
) -> None:
    local_worker.post("a")
    claim = local_worker.admit()
    seen = local_worker.job("a").version  # what the late one sees: another worker has it
    claim.commit(lambda job, now: submission.requeue(job, now, "busy"))
    local_worker.wired.store.remove_queued("a", "large", seen)
    assert local_worker.next() == "a"


def test_a_queue_entry_without_a_record_blocks_no_other(local_worker: LocalWorker) -> None:
    local_worker.redis.zadd(f"{QUEUE_PREFIX}large", {"ghost": 1.0})
    local_worker.post("a")
    process_one(local_worker.wired)
    assert local_worker.job("a").status is Status.SUBMITTED


def test_an_unreadable_record_blocks_no_other_job(local_worker: LocalWorker) -> None:
    local_worker.post("broken")
    local_worker.redis.set(f"{RECORD_PREFIX}broken", "1 {")
    local_worker.post("a")
    process_one(local_worker.wired)
    assert local_worker.job("a").status is Status.SUBMITTED


def test_a_lost_queue_entry_is_restored(local_worker: LocalWorker) -> None:
    local_worker.post("a")
    local_worker.redis.delete(f"{QUEUE_PREFIX}large", QUEUES)
    assert local_worker.next() is None

    def look(job: Job | None, now: float) -> Job | None:
        return job and submission.check(job, now, local_worker.wired.settings.timeouts)

    local_worker.wired.store.update("a", look)
    assert local_worker.next() == "a"


def test_one_probe_goes_after_a_pause_and_the_others_wait_for_its_outcome(
    local_worker: LocalWorker,
) -> None:
    for job_id in "abc":
        local_worker.post(job_id)
    local_worker.wired.submission_queue.open_circuit(ALL_MODELS, "no credits", -1.0)
    found = local_worker.wired.submission_queue.next()
    assert found and found.half_open == (ALL_MODELS,)
    assert local_worker.wired.submission_queue.next() is None
    (pause,) = local_worker.wired.submission_queue.open_circuits()
    assert pause.reason == "no credits" and pause.until > local_worker.wired.store.now() + 50
    local_worker.wired.submission_queue.close_circuits(found.half_open)
    assert local_worker.next() == "a"


def test_a_pause_of_one_model_leaves_the_others_going(local_worker: LocalWorker) -> None:
    local_worker.post("a", "small")
    local_worker.post("b")
    local_worker.wired.submission_queue.open_circuit("small", "busy", 60.0)
    assert local_worker.next() == "b"


def test_the_sweep_wakes_a_worker_when_a_pause_is_over(local_worker: LocalWorker) -> None:
    local_worker.post("a")
    local_worker.wired.submission_queue.open_circuit(ALL_MODELS, "no", 60.0)
    local_worker.without_rq_jobs()
    sweep(local_worker.wired)
    assert local_worker.rq_jobs() == 0
    local_worker.wired.submission_queue.open_circuit(ALL_MODELS, "no", -1.0)
    sweep(local_worker.wired)
    assert local_worker.rq_jobs() == 1
