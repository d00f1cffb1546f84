"""Before a job ends as `expired` or `lost`, a worker looks for what an earlier claim published."""

from functools import partial

import pytest

from jobs.domain import submission
from jobs.domain.job import Job
from jobs.domain.status import Status
from tests.harness.local_worker import LocalWorker
from tests.harness.past_jobs import events
from tests.harness.stored_objects import a_file_in_place_of
from tests.sandbox import Task
from worker import rescue
from worker.sweep import sweep


def until_its_deadline(worker: LocalWorker, task: Task) -> Job:
    """The job when Redis is back after the deadline of the job, its lease and its URLs."""
    gone = f"{worker.sandbox.url}/gone/sample.jpeg"

    def later(job: Job, now: float) -> Job:
        past = job.evolve(deadline=now - 1).unleased(now - 1)
        urls = (gone,) * len(job.delivery.urls)
        return past.evolve(delivery=job.delivery.evolve(urls=urls, refreshed=True))

    worker.store.change(task.id, later)
    sweep(worker.services)
    return worker.job(task)


def assert_stored(worker: LocalWorker, task: Task, files: int = 1) -> None:
    job, media = worker.job(task), worker.storage
    assert (job.status, len(job.media)) == (Status.STORED, files), job
    for n, file in enumerate(job.media):
        assert b"".join(media.read(file.key)) == worker.sandbox.file(task.id, n)
    assert worker.downloads(task) == files


@pytest.mark.parametrize("samples", [1, 3])
def test_a_published_file_is_stored_after_the_deadline(worker: LocalWorker, samples: int) -> None:
    task = worker.ready(samples=samples)
    rescue.rescue_files(worker.services, worker.claim(task))  # Redis is gone before the commit
    assert until_its_deadline(worker, task).status is Status.READY
    assert worker.work()
    assert_stored(worker, task, samples)


def test_a_job_of_which_nothing_was_published_expires_at_the_last_look(worker: LocalWorker) -> None:
    task = worker.ready()
    worker.claim(task)
    until_its_deadline(worker, task)
    assert worker.work()
    assert worker.job(task).status is Status.EXPIRED
    assert worker.downloads(task) == 0


def test_a_replay_stores_a_published_file_without_bfl(worker: LocalWorker) -> None:
    task = worker.ready()
    rescue.rescue_files(worker.services, worker.claim(task))  # Redis is gone before the commit
    until_its_deadline(worker, task)
    polls = worker.polls(task)
    with a_file_in_place_of(worker.media_root):
        assert worker.work()
        assert worker.job(task).status is Status.READY
        assert worker.services.health_probes.problem("storage")
        assert until_its_deadline(worker, task).status is Status.EXPIRED
        worker.store.change(task.id, partial(submission.replay, timeouts=worker.timeouts))
        assert worker.work()
        assert worker.job(task).status is Status.SUBMITTED
        assert until_its_deadline(worker, task).status is Status.SUBMITTED
    assert worker.work()
    assert_stored(worker, task)
    assert worker.polls(task) == polls
    assert "rescue.recovered" in events(worker.job(task))


def test_a_replayed_job_without_files_is_lost_at_the_last_look(worker: LocalWorker) -> None:
    task = worker.ready()
    worker.claim(task)
    until_its_deadline(worker, task)
    assert worker.work()
    worker.sandbox.settings.poll_fault = 404
    worker.store.change(task.id, partial(submission.replay, timeouts=worker.timeouts))
    assert worker.work() and worker.polls(task) == 2
    assert until_its_deadline(worker, task).status is Status.SUBMITTED
    assert worker.work()
    assert worker.job(task).status is Status.LOST
