"""URLs that the delivery host refuses although their own expiry is minutes away."""

from typing import Any

import pytest

from jobs.domain.bfl_report import Role
from jobs.domain.status import Status
from jobs.domain.timeline import EventCode
from tests.harness.local_worker import LocalWorker
from tests.sandbox import Task

REFUSALS = [401, 403, 404, 410]


def work_again(worker: LocalWorker, task: Task) -> None:
    """The pause is over."""
    worker.store.change(task.id, lambda job, now: job.enqueue(now))
    worker.work()


def with_delivery(worker: LocalWorker, task: Task, **delivery: Any) -> None:
    worker.store.change(
        task.id, lambda job, _now: job.evolve(delivery=job.delivery.evolve(**delivery))
    )


@pytest.mark.parametrize("status", REFUSALS)
@pytest.mark.parametrize("times", [1, 4])
def test_a_url_that_is_refused_at_first_is_fetched_in_the_end(
    worker: LocalWorker, status: int, times: int
) -> None:
    """As by a replica that lags behind, or a cache that holds an old answer."""
    task = worker.ready(delivery_status=status, delivery_status_times=times)
    worker.work()
    job = worker.job(task)
    assert job.status is Status.READY and job.polling.next_check_at is not None
    assert job.polling.next_check_at < (job.delivery.expire_at or 0.0)
    assert job.timeline[-1].event is EventCode.RESCUE_RETRIED
    assert str(status) in job.timeline[-1].detail["reason"]
    for _ in range(times):
        work_again(worker, task)
    assert worker.job(task).status is Status.STORED
    assert worker.downloads(task) == times + 1


def test_bfl_is_asked_for_a_fresh_url_while_it_may_still_know_the_task(worker: LocalWorker) -> None:
    task = worker.ready()
    gone = f"{worker.sandbox.url}/results/gone/sample.jpeg?sig=old"
    with_delivery(worker, task, urls=(gone,), expire_at=worker.store.now() + 300)
    polls = worker.polls(task)
    worker.work()
    work_again(worker, task)
    assert worker.polls(task) == polls, "first it is tried again"
    work_again(worker, task)
    assert worker.polls(task) == polls + 1 and worker.job(task).delivery.refreshed
    worker.work()
    assert worker.job(task).status is Status.STORED


def test_a_url_that_bfl_repeats_is_tried_until_its_own_expiry(worker: LocalWorker) -> None:
    task = worker.ready(delivery_status=404)
    polls = worker.polls(task)
    for _ in range(9):
        work_again(worker, task)
        assert worker.job(task).status is Status.READY
    assert 0 < worker.polls(task) - polls < 4, "now and then"
    with_delivery(worker, task, expire_at=worker.store.now())
    polls = worker.polls(task)
    work_again(worker, task)
    job = worker.job(task)
    assert job.status is Status.EXPIRED and worker.polls(task) == polls + 1
    assert job.error and "404" in job.error.message and "no fresh URL" in job.error.message


def test_a_refused_file_in_an_unknown_place_holds_the_sample_up_for_seconds_only(
    worker: LocalWorker,
) -> None:
    task = worker.ready()
    gone = f"{worker.sandbox.url}/results/gone/mask.png?sig=a"
    urls = (*worker.job(task).delivery.urls, gone)
    with_delivery(worker, task, urls=urls, roles=(Role.SAMPLE, Role.OTHER))
    for _ in range(3):
        work_again(worker, task)
        assert worker.job(task).status is Status.READY
    work_again(worker, task)
    job = worker.job(task)
    assert job.status is Status.STORED and len(job.media) == 1
    assert EventCode.RESCUE_FILE_SKIPPED in [line.event for line in job.timeline]
