"""Before a job ends as `expired` or `lost`, a worker looks for what an earlier claim published."""

import pytest

from jobs.domain import submission
from jobs.domain.job import Job
from jobs.domain.status import Status
from tests.harness.past_jobs import events
from tests.harness.reports import call_back
from tests.harness.stored_objects import a_file_in_place_of
from tests.harness.worker_environment import WorkerEnvironment
from tests.sandbox import Task
from worker import rescue
from worker.sweep import sweep


def until_its_deadline(worker_env: WorkerEnvironment, task: Task) -> Job:
    """The job when Redis is back after the deadline of the job, its lease and its URLs."""
    gone = f"{worker_env.sandbox.url}/gone/sample.jpeg"

    def later(job: Job, now: float) -> Job:
        past = job.evolve(deadline=now - 1).unleased(now - 1)
        return past.with_delivery(urls=(gone,) * len(job.delivery.urls), refreshed=True)

    worker_env.services.store.change(task.id, later)
    sweep(worker_env.services)
    return worker_env.job(task)


def published(worker_env: WorkerEnvironment, task: Task) -> None:
    """A worker publishes all files; Redis is gone before it can commit."""
    rescue.rescue_files(worker_env.services, worker_env.claim(task))


def replay(worker_env: WorkerEnvironment, task: Task) -> None:
    timeouts = worker_env.services.settings.timeouts
    worker_env.services.store.change(
        task.id, lambda job, now: submission.replay(job, now, timeouts)
    )


def assert_stored(worker_env: WorkerEnvironment, task: Task, files: int = 1) -> None:
    job, media = worker_env.job(task), worker_env.services.storage
    assert (job.status, len(job.media)) == (Status.STORED, files), job
    for n, file in enumerate(job.media):
        assert b"".join(media.read(file.key)) == worker_env.sandbox.file(task.id, n)
    assert worker_env.downloads(task) == files


@pytest.mark.parametrize("samples", [1, 3])
def test_what_was_published_before_the_deadline_is_stored_after_it(
    worker_env: WorkerEnvironment, samples: int
) -> None:
    task = worker_env.ready(samples=samples)
    published(worker_env, task)
    assert until_its_deadline(worker_env, task).status is Status.READY
    assert worker_env.work()
    assert_stored(worker_env, task, samples)


def test_a_job_of_which_nothing_was_published_expires_at_the_last_look(
    worker_env: WorkerEnvironment,
) -> None:
    task = worker_env.ready()
    worker_env.claim(task)
    until_its_deadline(worker_env, task)
    assert worker_env.work()
    assert worker_env.job(task).status is Status.EXPIRED
    assert worker_env.downloads(task) == 0


def test_a_job_that_no_worker_had_expires_at_its_deadline(worker_env: WorkerEnvironment) -> None:
    task = worker_env.ready()
    assert until_its_deadline(worker_env, task).status is Status.EXPIRED


def test_without_a_storage_the_sweep_ends_the_job_and_a_replay_stores_it_without_bfl(
    worker_env: WorkerEnvironment,
) -> None:
    task = worker_env.ready()
    published(worker_env, task)
    until_its_deadline(worker_env, task)
    polls = worker_env.polls(task)
    with a_file_in_place_of(worker_env.media_root):
        assert worker_env.work()
        assert worker_env.job(task).status is Status.READY
        assert until_its_deadline(worker_env, task).status is Status.EXPIRED
        replay(worker_env, task)
        assert worker_env.work()
        assert worker_env.job(task).status is Status.SUBMITTED
        assert until_its_deadline(worker_env, task).status is Status.SUBMITTED
    assert worker_env.work()
    assert_stored(worker_env, task)
    assert worker_env.polls(task) == polls
    assert "rescue.recovered" in events(worker_env.job(task))


def test_a_replayed_job_of_which_nothing_is_there_is_lost_at_the_last_look(
    worker_env: WorkerEnvironment,
) -> None:
    task = worker_env.ready()
    worker_env.claim(task)
    until_its_deadline(worker_env, task)
    assert worker_env.work()
    worker_env.sandbox.settings.poll_fault = 404
    replay(worker_env, task)
    assert worker_env.work() and worker_env.polls(task) == 2
    assert until_its_deadline(worker_env, task).status is Status.SUBMITTED
    assert worker_env.work()
    assert worker_env.job(task).status is Status.LOST


def test_fresh_urls_are_downloaded_even_after_the_deadline(worker_env: WorkerEnvironment) -> None:
    task = worker_env.ready()
    url = worker_env.job(task).delivery.urls[0]
    worker_env.claim(task)
    until_its_deadline(worker_env, task)
    call_back(worker_env.services.store, task.id, url=url, life=3600.0)
    assert worker_env.work()
    assert worker_env.job(task).status is Status.STORED
