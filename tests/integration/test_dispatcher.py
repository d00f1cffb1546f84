"""The dispatcher: several threads that drain what waits, most urgent first."""

import threading
from typing import Any

import pytest

from jobs.domain.job import Job
from jobs.domain.status import Status
from jobs.store.redis.keys import PENDING_POLLS, PENDING_RESCUES
from tests.harness.local_worker import LocalWorker
from tests.harness.patience import wait_for
from tests.harness.reports import load
from worker import thumbnails
from worker.claim import HeldClaim
from worker.dispatcher import JobDispatcher

POLLS_WAITING = 400
QUEUE = "rq:queue:fluxkeep"


def unknown_to_bfl(worker: LocalWorker, n: int) -> None:
    """Jobs that are expected, and that BFL is to be asked about at once."""
    for number in range(n):
        job = Job.awaited(f"awaited-{number}", now := worker.store.now(), worker.timeouts)
        job = job.enqueue(now)
        worker.store.update(job.id, lambda _job, _now, job=job: job, assumes_new=True)  # type: ignore[misc]


def test_rescues_come_before_submissions_and_these_before_polls(worker: LocalWorker) -> None:
    rescued = worker.ready()
    worker.post("ours", "flux-2-pro")
    unknown_to_bfl(worker, POLLS_WAITING)
    redis: Any = worker.services.redis
    for key in (PENDING_RESCUES, PENDING_POLLS):
        redis.zadd(key, dict.fromkeys(redis.zrange(key, 0, -1), 1.0))
    dispatcher = JobDispatcher(worker.services)
    assert dispatcher.process_next() and worker.job(rescued).status is Status.STORED
    store = worker.services.store
    assert load(store, "ours").status is Status.QUEUED
    assert dispatcher.process_next() and load(store, "ours").task_id, "the submission is next"
    assert worker.services.redis.zcard(PENDING_POLLS) == POLLS_WAITING
    assert dispatcher.process_next()
    assert worker.services.redis.zcard(PENDING_POLLS) == POLLS_WAITING - 1


def test_all_that_waits_is_done_and_takes_its_rq_job(worker: LocalWorker) -> None:
    tasks = [worker.ready(life=life) for life in (1000, 2000, 3000)]
    redis: Any = worker.services.redis
    redis.lpop(QUEUE)  # RQ took the one that calls the dispatcher
    JobDispatcher(worker.services).drain()
    assert {worker.job(task).status for task in tasks} == {Status.STORED}
    assert redis.llen(QUEUE) == 0 and len(redis.keys("rq:job:*")) == 1
    assert all(all(worker.thumbnails(task)) for task in tasks)


def test_thumbnails_that_come_while_another_thread_looks_for_some_are_found(
    worker: LocalWorker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both threads may end after it."""
    dispatcher, looks = JobDispatcher(worker.services), list[bool]()

    def find_none(*_: object) -> bool:
        is_first = not looks
        looks.append(is_first)
        return is_first and dispatcher.make_thumbnails()  # of the other thread

    monkeypatch.setattr(thumbnails, "process_next", find_none)
    assert not dispatcher.make_thumbnails() and looks == [True, False]


def in_background(dispatcher: JobDispatcher) -> threading.Thread:
    draining = threading.Thread(target=dispatcher.drain)
    draining.start()
    return draining


def test_a_slow_rescue_keeps_no_other_job_waiting(worker: LocalWorker) -> None:
    first, later = worker.ready(size=200_000, drip=100_000), worker.finished()
    dispatcher = JobDispatcher(worker.services)
    draining = in_background(dispatcher)
    wait_for("the slow download", dispatcher.claims.copy)
    worker.unclear(later)
    wait_for("the later one is stored", lambda: worker.job(later).status is Status.STORED)
    assert worker.job(first).status is Status.READY
    draining.join()
    assert worker.job(first).status is Status.STORED


def test_downloads_that_are_silent_keep_no_other_job_waiting(worker: LocalWorker) -> None:
    dispatcher = JobDispatcher(worker.services)
    hung = [worker.ready(hang=12) for _ in range(2 * dispatcher.size)]
    draining = in_background(dispatcher)
    wait_for("every thread", lambda: len(dispatcher.claims.copy()) == dispatcher.size)
    task = worker.ready()
    worker.post("ours", "flux-2-pro")
    wait_for("the rescue", lambda: worker.job(task).status is Status.STORED)
    wait_for("the submission", lambda: load(worker.store, "ours").task_id)
    assert {worker.job(one).status for one in hung} == {Status.READY}
    draining.join()
    assert {worker.job(one).status for one in hung} == {Status.STORED}


def test_one_thread_of_several_is_kept_from_polls_and_submissions(worker: LocalWorker) -> None:
    unknown_to_bfl(worker, 10)
    dispatcher = JobDispatcher(worker.services)
    for number in range(dispatcher.size - 1):
        claim = HeldClaim.acquire(worker.store, f"awaited-{number}")
        assert claim
        dispatcher.claims.add(claim)
    assert not dispatcher.process_next(), "the last thread waits for a rescue"
    task = worker.ready()
    assert dispatcher.process_next() and worker.job(task).status is Status.STORED, "which it takes"
    dispatcher = JobDispatcher(worker.services, may_poll=lambda: False)
    asked, rescued = worker.finished(), worker.ready()
    worker.unclear(asked)
    assert dispatcher.process_next() and not dispatcher.process_next()
    assert (worker.job(rescued).status, worker.polls(asked)) == (Status.STORED, 0)


def test_a_process_takes_one_job_at_a_time_with_which_a_worker_died(worker: LocalWorker) -> None:
    """The jobs that were in the same process do not die again with the one to blame."""
    suspects = [worker.ready(life=life) for life in (1000, 2000)]
    for task in suspects:
        worker.die_with(worker.claim(task))
    dispatcher = JobDispatcher(worker.services)
    first = worker.claim(suspects[0])
    dispatcher.claims.add(first)
    fresh = worker.ready(life=3000)
    assert dispatcher.process_next() and not dispatcher.process_next()
    assert worker.job(fresh).status is Status.STORED, "it is the only one beside the first"
    assert worker.job(suspects[1]).lease.fencing_token < first.job.lease.fencing_token
    dispatcher.claims.remove(first)
    assert dispatcher.process_next() and worker.job(suspects[1]).status is Status.STORED


def test_stopped_threads_begin_nothing_and_release_their_jobs(worker: LocalWorker) -> None:
    dispatcher = JobDispatcher(worker.services)
    tasks = [worker.ready(size=400_000, drip=20_000) for _ in range(dispatcher.size + 2)]
    draining = in_background(dispatcher)
    wait_for("every download", lambda: len(dispatcher.claims.copy()) == dispatcher.size)
    dispatcher.shutdown.requested.set()
    dispatcher.shutdown.release_claims()
    draining.join(10)
    assert not draining.is_alive()
    assert {worker.job(task).status for task in tasks} == {Status.READY}
    assert [task.id for task in tasks if worker.job(task).lease.lease_until] == []
    assert worker.services.redis.zcard(PENDING_RESCUES) == len(tasks)
    assert list((worker.media_root / ".staging").iterdir()) == []
