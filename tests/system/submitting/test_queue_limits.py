"""Limits of the memory for waiting submissions."""

from typing import Any

import pytest

from jobs import submission
from jobs.config.limits import QueueCapacity
from jobs.errors import QueueFull
from jobs.job import Job
from jobs.record import Submission
from jobs.report import Failure
from jobs.store.batching import Batching
from jobs.store.commit import LARGE_REQUEST_BYTES
from jobs.store.job_store import JobStore
from jobs.store.keys import INPUT_PREFIX, INPUT_SIZES
from receiver import problem_details
from tests.system.submitting.local_worker import LocalWorker


class Small:
    """A line with little room, over the same Redis."""

    def __init__(self, local_worker: LocalWorker, room: QueueCapacity) -> None:
        wired = local_worker.wired
        self.local_worker = local_worker
        clock = wired.store._clock  # noqa: SLF001 - the very one
        limits, batching = wired.settings.max_active, Batching(wired.redis)
        self.store = JobStore(batching, wired.rq_queue, clock, limits, room)

    def post(self, job_id: str, given: bytes = b"{}") -> Job | None:
        def begin(job: Job | None, now: float) -> Job:
            return job or submission.create(
                job_id, "small", now, Submission(input_bytes=len(given))
            )

        return self.store.update(job_id, begin, new=True, submission=given).after


def refused_by_bfl(local_worker: LocalWorker, job_id: str, status: int | None) -> None:
    def step(job: Job | None, now: float) -> Job | None:
        return job and submission.refuse(job, now, Failure("a", "b", status))

    local_worker.wired.store.update(job_id, step)


def test_a_queue_takes_so_many_jobs_and_no_more_until_one_has_left(
    local_worker: LocalWorker,
) -> None:
    small = Small(local_worker, QueueCapacity(inputs=2))
    first = small.post("a")
    small.post("b")
    with pytest.raises(QueueFull):
        small.post("c")
    assert small.store.load("c") is None and local_worker.redis.exists(f"{INPUT_PREFIX}c") == 0
    again = small.post("a")
    assert first and again and again.created_at == first.created_at
    refused_by_bfl(local_worker, "a", 422)
    assert small.post("c")


def test_a_queue_takes_so_many_bytes(local_worker: LocalWorker) -> None:
    small = Small(local_worker, QueueCapacity(bytes=100))
    small.post("a", b"x" * 60)
    with pytest.raises(QueueFull):
        small.post("b", b"x" * 41)
    small.post("c", b"x" * 40)


def test_a_deleted_or_submitted_job_frees_its_place_in_the_queue(local_worker: LocalWorker) -> None:
    local_worker.post("a")
    local_worker.post("b")
    assert local_worker.redis.hlen(INPUT_SIZES) == 2
    local_worker.wired.store.delete(local_worker.job("a"))
    claim = local_worker.admit()
    local_worker.wired.store.update(
        claim.job.id, lambda job, _now: job and job.with_details(0, {"task_id": "t"})
    )
    assert local_worker.redis.exists(INPUT_SIZES) == 0


def test_a_requeued_job_counts_against_the_limit_again(local_worker: LocalWorker) -> None:
    small = Small(local_worker, QueueCapacity())
    small.post("a", b"x" * 60)
    refused_by_bfl(local_worker, "a", 422)
    timeouts = local_worker.wired.settings.timeouts

    def again(job: Job | None, now: float) -> Job | None:
        return job and submission.reopen(job, now, timeouts)

    small.store.update("a", again)
    sizes: Any = local_worker.redis.hgetall(INPUT_SIZES)
    assert sizes == {b"a": b"60"}


def test_a_full_queue_is_a_reason_to_retry_later() -> None:
    assert problem_details.STATUS[QueueFull] == 503
    assert "queue is full" in str(QueueFull())


@pytest.mark.parametrize(
    ("size", "status", "seconds"),
    [
        (LARGE_REQUEST_BYTES + 1, 422, 600),
        (LARGE_REQUEST_BYTES, 422, 86_400),
        (LARGE_REQUEST_BYTES + 1, None, 86_400),
    ],
)
def test_a_large_input_that_bfl_refused_is_kept_for_ten_minutes(
    local_worker: LocalWorker, size: int, status: int | None, seconds: int
) -> None:
    Small(local_worker, QueueCapacity()).post("a", b"x" * size)
    refused_by_bfl(local_worker, "a", status)
    assert seconds - 60 < local_worker.redis.ttl(f"{INPUT_PREFIX}a") <= seconds
