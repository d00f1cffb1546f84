"""The dispatcher: several threads that drain what waits, most urgent first."""

import threading
from functools import partial
from typing import Any

import pytest

from jobs import submission
from jobs.job import Job
from jobs.status import Status
from jobs.store.keys import PENDING_POLLS, PENDING_RESCUES
from tests.harness.floor import Floor
from tests.harness.patience import wait_for
from tests.sandbox import Task
from worker.claim import Claim
from worker.dispatcher import Dispatcher
from worker.sweep import sweep

POLLS_WAITING = 400
QUEUE = "rq:queue:fluxkeep"


def queued(floor: Floor, job_id: str) -> None:
    def begin(job: Job | None, now: float) -> Job:
        return job or submission.create(job_id, "flux-2-pro", now)

    floor.wired.store.update(job_id, begin, new=True, submission=b'{"prompt": "a"}')


def at_the_same_score(floor: Floor) -> None:
    """Whatever waits is equally urgent by its score."""
    redis: Any = floor.wired.redis
    for key in (PENDING_RESCUES, PENDING_POLLS):
        for member in redis.zrange(key, 0, -1):
            redis.zadd(key, {member: 1.0})


def unknown_to_bfl(floor: Floor, n: int) -> None:
    """Jobs that are expected, and that BFL is to be asked about at once."""
    store, timeouts = floor.wired.store, floor.wired.settings.timeouts
    for number in range(n):
        begin = partial(Job.expected, f"expected-{number}", timeouts=timeouts)
        store.update(
            f"expected-{number}",
            lambda _job, now, begin=begin: begin(now=now).enqueue(now),  # type: ignore[misc]
            new=True,
        )


def test_a_rescue_comes_before_a_submission_and_a_submission_before_any_poll(
    floor: Floor,
) -> None:
    rescued = floor.ready()
    queued(floor, "ours")
    unknown_to_bfl(floor, POLLS_WAITING)
    at_the_same_score(floor)
    dispatcher = Dispatcher(floor.wired)
    assert dispatcher.process_next() and floor.job(rescued).status is Status.STORED
    ours = floor.wired.store.load("ours")
    assert ours and ours.status is Status.QUEUED
    assert dispatcher.process_next()
    ours = floor.wired.store.load("ours")
    assert ours and ours.task_id, "the submission is next"
    assert floor.wired.redis.zcard(PENDING_POLLS) == POLLS_WAITING
    assert dispatcher.process_next()
    assert floor.wired.redis.zcard(PENDING_POLLS) == POLLS_WAITING - 1


def test_all_that_waits_is_done_before_the_task_ends_with_one_rq_job_taken_for_each(
    floor: Floor,
) -> None:
    tasks = [floor.ready(life=life) for life in (1000, 2000, 3000)]
    redis: Any = floor.wired.redis
    redis.lpop(QUEUE)  # RQ took the one that calls the dispatcher
    Dispatcher(floor.wired).drain()
    assert {floor.job(task).status for task in tasks} == {Status.STORED}
    assert redis.llen(QUEUE) == 0
    assert all(all(floor.thumbnails(task)) for task in tasks)


def test_a_claim_takes_one_rq_job_off_the_list_and_leaves_the_others(floor: Floor) -> None:
    for _ in range(3):
        floor.ready()
    redis: Any = floor.wired.redis
    before = redis.llen(QUEUE)
    assert Dispatcher(floor.wired).process_next()
    assert redis.llen(QUEUE) == before - 1
    assert len(redis.keys("rq:job:*")) == before - 1


def slow(floor: Floor, n: int) -> list[Task]:
    return [floor.ready(size=200_000, drip=100_000) for _ in range(n)]


def test_four_rescues_are_under_way_at_once(floor: Floor) -> None:
    tasks = slow(floor, 5)
    dispatcher = Dispatcher(floor.wired)
    draining = threading.Thread(target=dispatcher.drain)
    draining.start()
    wait_for("four claims", lambda: len(dispatcher.claims.all()) == 4)
    assert Status.STORED not in {floor.job(task).status for task in tasks}
    draining.join()
    assert {floor.job(task).status for task in tasks} == {Status.STORED}


def test_what_comes_while_another_rescue_takes_long_does_not_wait_for_it(floor: Floor) -> None:
    (first,), later = slow(floor, 1), floor.finished()
    dispatcher = Dispatcher(floor.wired)
    draining = threading.Thread(target=dispatcher.drain)
    draining.start()
    wait_for("the slow download", dispatcher.claims.all)
    floor.unclear(later)
    wait_for("the later one is stored", lambda: floor.job(later).status is Status.STORED)
    assert floor.job(first).status is Status.READY
    draining.join()
    assert floor.job(first).status is Status.STORED


def test_one_thread_of_several_is_kept_from_polls_and_submissions(floor: Floor) -> None:
    unknown_to_bfl(floor, 10)
    dispatcher = Dispatcher(floor.wired)
    for number in range(dispatcher.size - 1):
        claim = Claim.acquire(floor.wired.store, f"expected-{number}")
        assert claim
        dispatcher.claims.add(claim)
    assert not dispatcher.process_next(), "the last thread waits for a rescue"
    task = floor.ready()
    assert dispatcher.process_next() and floor.job(task).status is Status.STORED, "which it takes"


def test_a_worker_that_is_kept_from_polls_still_rescues(floor: Floor) -> None:
    asked, rescued = floor.finished(), floor.ready()
    floor.unclear(asked)
    dispatcher = Dispatcher(floor.wired)
    dispatcher.may_poll = lambda: False
    assert dispatcher.process_next() and not dispatcher.process_next()
    assert (floor.job(rescued).status, floor.polls(asked)) == (Status.STORED, 0)


def crash(floor: Floor, task: Task) -> None:
    claim = Claim.acquire(floor.wired.store, task.id)
    assert claim is not None
    floor.die_with(claim)


@pytest.mark.parametrize("state", [Status.READY, Status.SUBMITTED])
def test_the_third_worker_that_dies_with_a_job_ends_it_and_it_can_be_replayed(
    floor: Floor, state: Status
) -> None:
    task = floor.ready() if state is Status.READY else floor.finished()
    if state is Status.SUBMITTED:
        floor.unclear(task)
    for _ in range(2):
        crash(floor, task)
        assert floor.job(task).status is state
    crash(floor, task)
    job = floor.job(task)
    assert job.status is Status.FAILED and job.error and job.error.code == "poison"
    timeouts = floor.wired.settings.timeouts
    floor.wired.store.update(
        task.id, lambda job, now: job and submission.reopen(job, now, timeouts)
    )
    crash(floor, task)
    assert floor.job(task).status is Status.SUBMITTED, "its workers are counted anew"
    Dispatcher(floor.wired).drain()
    assert floor.job(task).status is Status.STORED


def test_a_process_takes_one_job_at_a_time_with_which_a_worker_died(floor: Floor) -> None:
    """The jobs that were in the same process do not die again with the one to blame."""
    suspects = [floor.ready(life=life) for life in (1000, 2000)]
    for task in suspects:
        crash(floor, task)
    dispatcher = Dispatcher(floor.wired)
    first = Claim.acquire(floor.wired.store, suspects[0].id)
    assert first is not None
    dispatcher.claims.add(first)
    fresh = floor.ready(life=3000)
    assert dispatcher.process_next() and not dispatcher.process_next()
    assert floor.job(fresh).status is Status.STORED, "it is the only one beside the first"
    assert floor.job(suspects[1]).check.fencing_token < first.job.check.fencing_token
    dispatcher.claims.remove(first)
    assert dispatcher.process_next() and floor.job(suspects[1]).status is Status.STORED


def test_a_job_that_its_worker_gave_back_is_no_poison(floor: Floor) -> None:
    task = floor.ready()
    for _ in range(5):
        claim = Claim.acquire(floor.wired.store, task.id)
        assert claim is not None
        claim.commit(lambda job, now: job.back_off(now, 0.0))
        floor.wired.store.update(
            task.id, lambda job, now: job and job.with_check(next_check_at=now)
        )
        sweep(floor.wired)
    assert floor.job(task).status is Status.READY


def test_stopped_threads_begin_nothing_and_hand_back_what_they_do_not_finish(
    floor: Floor,
) -> None:
    tasks = [floor.ready(size=400_000, drip=20_000) for _ in range(6)]
    dispatcher = Dispatcher(floor.wired)
    draining = threading.Thread(target=dispatcher.drain)
    draining.start()
    wait_for("four downloads", lambda: len(dispatcher.claims.all()) == 4)
    dispatcher.shutdown.requested.set()
    dispatcher.shutdown.release_claims()
    draining.join(10)
    assert not draining.is_alive()
    assert {floor.job(task).status for task in tasks} == {Status.READY}
    assert [task.id for task in tasks if floor.job(task).check.lease_until] == []
    assert floor.wired.redis.zcard(PENDING_RESCUES) == 6
    assert list((floor.media_root / ".staging").iterdir()) == []
