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
from tests.harness.floor import one_turn
from tests.system.submitting.bench import Bench
from worker.claim import Claim
from worker.sweep import sweep

STEPS: dict[str, Callable[[Job, float, Timeouts], Job]] = {
    "busy": lambda job, now, _: submission.requeue(job, now, "busy"),
    "refused": lambda job, now, _: submission.refuse(job, now, Failure("a", "b")),
    "an error": lambda job, now, timeouts: submission.back_off(
        job, now, "why", timeouts, calls=True, counts=True
    ),
    "no answer": lambda job, now, timeouts: submission.await_confirmation(
        job, now, "why", timeouts, calls=True
    ),
}


def test_the_longest_waiting_of_those_who_may_goes_first(bench: Bench) -> None:
    for job_id, model in (("a", "small"), ("b", "small"), ("c", "large"), ("d", "other")):
        bench.post(job_id, model)
    assert bench.admit().job.id == "a"
    assert bench.admit().job.id == "c", "the slot of its model is taken"
    assert bench.next() is None


def test_a_slot_that_is_given_back_goes_to_the_head_of_the_line(bench: Bench) -> None:
    for job_id in "abcd":
        bench.post(job_id)
    claim, _ = bench.admit(), bench.admit()
    assert bench.next() is None
    bench.without_hints()
    claim.commit(lambda job, now: submission.refuse(job, now, Failure("a", "b")))
    assert bench.next() == "c" and bench.rq_jobs() == 1


def test_who_was_put_off_keeps_its_place(bench: Bench) -> None:
    for job_id in "ab":
        bench.post(job_id)
    bench.admit().commit(lambda job, now: submission.requeue(job, now, "busy"))
    assert bench.next() == "a"


@pytest.mark.parametrize("step", STEPS)
def test_what_bfl_has_called_about_is_not_denied_by_its_answer(bench: Bench, step: str) -> None:
    bench.post("a")
    claim, timeouts = bench.admit(), bench.wired.settings.timeouts
    report = Report(task_id="t", news=ReportKind.PROGRESS, source=Source.CALLBACK)
    ingest.apply_report(bench.wired.store, report, timeouts, "a")
    claim.commit(lambda job, now: STEPS[step](job, now, timeouts))
    job = bench.job("a")
    assert (job.status, job.task_id, job.submission.unconfirmed) == (Status.SUBMITTED, "t", False)
    assert job.submission.slot and not job.submission.is_queued and job.check.lease_until is None


def test_the_slot_of_a_worker_that_died_is_given_back_and_nothing_sent_again(
    bench: Bench,
) -> None:
    bench.post("a", "small")
    bench.post("b", "small")
    bench.admit()
    timeouts = bench.wired.settings.timeouts
    for later in (LEASE_SECONDS, submission.UNANSWERED_SLOT_SECONDS):

        def look(job: Job | None, now: float, late: float = later) -> Job | None:
            return job and submission.check(job, now + late, timeouts)

        bench.wired.store.update("a", look)
    assert bench.job("a").submission.unconfirmed and bench.next() == "b"


def test_a_slot_is_not_given_twice_by_workers_that_looked_at_the_same_time(bench: Bench) -> None:
    for job_id in "abc":
        bench.post(job_id, "small")
    found = bench.wired.submission_queue.next()
    assert found and Claim.admit(bench.wired, found)
    late = NextSubmission("b", "small", ())
    assert Claim.admit(bench.wired, late) is None, "its record would be the second"
    assert bench.job("b").submission.is_queued
    assert bench.redis.zcard(f"{ACTIVE}:small") == 1


def test_who_came_back_to_the_line_is_not_taken_out_by_one_who_was_late(bench: Bench) -> None:
    bench.post("a")
    claim = bench.admit()
    seen = bench.job("a").version  # what the late one sees: another worker has it
    claim.commit(lambda job, now: submission.requeue(job, now, "busy"))
    bench.wired.submission_queue.remove_unchanged(NextSubmission("a", "large", ()), seen)
    assert bench.next() == "a"


def test_a_name_in_line_without_a_record_holds_nobody_up(bench: Bench) -> None:
    bench.redis.zadd(f"{QUEUE_PREFIX}large", {"ghost": 1.0})
    bench.post("a")
    one_turn(bench.wired)
    assert bench.job("a").status is Status.SUBMITTED


def test_a_record_that_cannot_be_read_holds_nobody_up(bench: Bench) -> None:
    bench.post("broken")
    bench.redis.set(f"{RECORD_PREFIX}broken", "1 {")
    bench.post("a")
    one_turn(bench.wired)
    assert bench.job("a").status is Status.SUBMITTED


def test_a_place_that_was_lost_is_found_again(bench: Bench) -> None:
    bench.post("a")
    bench.redis.delete(f"{QUEUE_PREFIX}large", QUEUES)
    assert bench.next() is None

    def look(job: Job | None, now: float) -> Job | None:
        return job and submission.check(job, now, bench.wired.settings.timeouts)

    bench.wired.store.update("a", look)
    assert bench.next() == "a"


def test_one_probe_goes_after_a_pause_and_the_others_wait_for_its_outcome(bench: Bench) -> None:
    for job_id in "abc":
        bench.post(job_id)
    bench.wired.submission_queue.open_circuit(ALL_MODELS, "no credits", -1.0)
    found = bench.wired.submission_queue.next()
    assert found and found.probes == (ALL_MODELS,)
    assert bench.wired.submission_queue.next() is None
    (pause,) = bench.wired.submission_queue.open_circuits()
    assert pause.reason == "no credits" and pause.until > bench.wired.store.now() + 50
    bench.wired.submission_queue.close_circuits(found.probes)
    assert bench.next() == "a"


def test_a_pause_of_one_model_leaves_the_others_going(bench: Bench) -> None:
    bench.post("a", "small")
    bench.post("b")
    bench.wired.submission_queue.open_circuit("small", "busy", 60.0)
    assert bench.next() == "b"


def test_the_sweep_wakes_a_worker_when_a_pause_is_over(bench: Bench) -> None:
    bench.post("a")
    bench.wired.submission_queue.open_circuit(ALL_MODELS, "no", 60.0)
    bench.without_hints()
    sweep(bench.wired)
    assert bench.rq_jobs() == 0
    bench.wired.submission_queue.open_circuit(ALL_MODELS, "no", -1.0)
    sweep(bench.wired)
    assert bench.rq_jobs() == 1
