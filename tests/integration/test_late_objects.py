"""Nothing comes back of a deleted job: what was published too late is found and deleted (I12)."""

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from redis import Redis

from jobs import delete_and_replay, sidecars
from jobs.domain.errors import StorageError
from jobs.domain.job import Job
from jobs.domain.retention import DAY_SECONDS
from jobs.domain.status import Status
from jobs.store import late_objects as notes
from receiver.job_actions import delete_or_erase
from tests.harness import TestBucket
from tests.harness.local_worker import LocalWorker
from tests.harness.publishing import published
from tests.sandbox import Sandbox, Task
from worker import published_objects, rescue, thumbnails
from worker.claim import ClaimLost
from worker.periodic import late_objects
from worker.periodic.late_objects import RETRY_SECONDS
from worker.sweep import sweep_job
from worker.thumbnails import Thumbnail

MINUTE = 60.0


@pytest.fixture(params=["directory", "bucket"])
def worker(
    request: pytest.FixtureRequest,
    redis: Redis,
    sandbox: Sandbox,
    temporary: Path,
    bucket: TestBucket,
) -> LocalWorker:
    """A worker, and either kind of storage."""
    settings = bucket.settings if request.param == "bucket" else {}
    return LocalWorker.over(redis, sandbox, temporary, **settings)


def delete(worker: LocalWorker, task: Task) -> None:
    delete_and_replay.delete(worker.services, worker.job(task))


def look(worker: LocalWorker, minutes: float) -> None:
    """The sweep looks, so many minutes after now."""
    late_objects.delete_due(worker.services, worker.store.now() + minutes * MINUTE)


def objects(worker: LocalWorker) -> list[str]:
    return sorted(listed.key for listed in worker.storage.list_objects())


def publish_and_be_killed(worker: LocalWorker, claim: Any) -> None:
    with suppress(ClaimLost):
        rescue.rescue_files(worker.services, claim)


def test_a_worker_that_is_killed_after_it_published_leaves_nothing(worker: LocalWorker) -> None:
    task = worker.ready(samples=2)
    claim = worker.claim(task)
    delete(worker, task)
    publish_and_be_killed(worker, claim)
    assert len(objects(worker)) == 4
    look(worker, 1.1)
    assert objects(worker) == []


def test_a_worker_that_was_suspended_for_hours_leaves_nothing(worker: LocalWorker) -> None:
    task = worker.ready()
    claim = worker.claim(task)
    delete(worker, task)
    for minutes in (1.1, 2.3, 5, 10, 20, 40, 80, 160):
        look(worker, minutes)
    publish_and_be_killed(worker, claim)
    look(worker, 320)
    assert objects(worker) == []


def store_by_another(worker: LocalWorker, task: Task) -> Any:
    """A worker is suspended in its claim, and another one stores the job."""
    suspended = worker.claim(task)
    worker.store.change(task.id, lambda job, now: job.with_lease(lease_until=now - 1))
    sweep_job(worker.services, task.id)
    assert worker.work() and worker.job(task).status is Status.STORED
    return suspended


@pytest.mark.parametrize("minutes", [[1.1], [1.1, 2.3, 5, 10, 20, 40, 80, 160]])
def test_what_a_suspended_worker_publishes_after_another_stored_the_job_is_deleted(
    worker: LocalWorker, minutes: list[float]
) -> None:
    task = worker.ready()
    suspended = store_by_another(worker, task)
    stored = objects(worker)
    for after in minutes:
        look(worker, after)
    published_objects.delete_left_objects(worker.services)
    worker.services.due.superseded.remove(task.id)  # its one look is over
    publish_and_be_killed(worker, suspended)
    assert len(objects(worker)) == len(stored) + 2
    look(worker, 2 * minutes[-1] + 1)
    assert objects(worker) == stored


def test_what_a_stored_job_leaves_behind_is_no_late_object(worker: LocalWorker) -> None:
    """Its record is gone after its retention, and its media stay."""
    task = worker.ready()
    store_by_another(worker, task)
    stored = objects(worker)
    assert worker.store.delete_unchanged(worker.job(task))
    look(worker, 1.1)
    assert objects(worker) == stored


def test_a_job_that_one_worker_stored_is_not_noted(worker: LocalWorker) -> None:
    worker.ready()
    assert worker.work()
    assert worker.services.due.late_objects.earliest(9) == []


def test_a_deleted_job_is_forgotten_after_a_day(worker: LocalWorker) -> None:
    task = worker.ready()
    worker.claim(task)
    delete(worker, task)
    minutes = 1.0
    while minutes < 3 * DAY_SECONDS / MINUTE:
        look(worker, minutes)
        minutes *= 1.2
    assert worker.services.due.late_objects.earliest(9) == []


@pytest.mark.parametrize("claims", [0, 1])
def test_only_a_job_that_was_claimed_is_noted(worker: LocalWorker, claims: int) -> None:
    task = worker.ready() if claims else worker.finished()
    if not claims:
        worker.unclear(task)
    delete(worker, task)
    assert len(worker.services.due.late_objects.earliest(9)) == claims


@pytest.mark.parametrize("is_old", [False, True])
def test_a_job_that_nothing_works_on_any_more_is_not_noted(
    worker: LocalWorker, is_old: bool
) -> None:
    task = worker.ready(format="mp4")
    assert worker.work()
    job = worker.job(task)
    now = worker.store.now() + (2 * DAY_SECONDS if is_old else 0)
    assert len(notes.note_of_deletion(job, now)) == (0 if is_old else 1)
    drawn = job.with_thumbnails(due_at=now)
    assert len(notes.note_of_deletion(drawn, now)) == 1


def store_thumbnail(worker: LocalWorker, job: Job) -> None:
    worker.storage.write(f"{job.media[0].key.partition('.')[0]}.thumb.webp", b"small")


def rewrite_sidecar(worker: LocalWorker, job: Job) -> None:
    worker.storage.write(f"{job.media[0].key.partition('.')[0]}.json", sidecars.render(job))


@pytest.mark.parametrize("write", [store_thumbnail, rewrite_sidecar])
def test_a_companion_that_is_written_too_late_is_deleted(
    worker: LocalWorker, write: Callable[[LocalWorker, Job], None]
) -> None:
    """Its process is killed before it looks whether the job is still there."""
    task = worker.ready()
    assert worker.work()
    job = worker.job(task)
    delete(worker, task)
    write(worker, job)
    assert objects(worker)
    look(worker, 1.1)
    assert objects(worker) == []


def test_a_thumbnail_of_a_deleted_job_is_deleted_by_the_one_who_made_it(
    worker: LocalWorker,
) -> None:
    task = worker.ready()
    assert worker.work()
    job = worker.job(task)
    delete(worker, task)
    thumbnails.store(worker.services, job.id, job.media[0], Thumbnail(b"small", 1, 1))
    assert objects(worker) == []


def announce_anew(worker: LocalWorker, task: Task) -> None:
    timeouts = worker.services.settings.timeouts
    worker.store.update(
        task.id, lambda job, now: job or Job.awaited(task.id, now, timeouts), assumes_new=True
    )
    worker.unclear(task)


def test_a_job_that_is_announced_anew_keeps_what_it_stores(worker: LocalWorker) -> None:
    task = worker.ready()
    late = worker.claim(task)
    delete(worker, task)
    announce_anew(worker, task)
    publish_and_be_killed(worker, late)
    assert worker.work() and worker.work()
    job = worker.job(task)
    assert job.status == "stored"
    look(worker, 1.1)
    for file in job.media:
        assert worker.storage.sha256(file.key) == file.sha256
    assert len(objects(worker)) == 2


def test_a_job_that_is_announced_anew_keeps_what_it_may_take_over(worker: LocalWorker) -> None:
    """The old object is the same picture: it is there as long as a worker may find it."""
    task = worker.ready()
    late = worker.claim(task)
    delete(worker, task)
    publish_and_be_killed(worker, late)
    announce_anew(worker, task)
    look(worker, 1.1)
    assert len(objects(worker)) == 2
    assert worker.work() and worker.work()
    look(worker, 3)
    assert worker.job(task).status == "stored"
    assert len(objects(worker)) == 2


def test_other_jobs_of_the_day_lose_nothing(worker: LocalWorker) -> None:
    """Neither those whose id begins alike."""
    task, other = worker.ready(), worker.ready()
    assert worker.work(2)
    worker.storage.write(f"{worker.job(task).media[0].key}".replace(task.id, f"{task.id}-0"), b"x")
    before = objects(worker)
    mine = [key for key in before if key.rpartition("/")[2].startswith(f"{task.id}-0-")]
    delete(worker, task)
    look(worker, 1.1)
    kept = [key for key in objects(worker) if other.id in key or f"{task.id}-0-0-" in key]
    assert len(kept) == 3
    assert mine


def test_a_deletion_without_a_record_is_looked_after_as_well(worker: LocalWorker) -> None:
    """Redis was lost while a worker was suspended; then somebody deletes the job by its id."""
    task = worker.ready()
    late = worker.claim(task)
    worker.services.redis.flushall()
    assert not delete_or_erase(worker.services, task.id)
    worker.services.due.erasures.remove(task.id)  # the storage was searched
    publish_and_be_killed(worker, late)
    assert objects(worker)
    look(worker, 1.1)
    assert objects(worker) == []


def test_a_storage_that_refuses_is_asked_again(
    worker: LocalWorker, monkeypatch: pytest.MonkeyPatch
) -> None:
    task = worker.ready()
    claim = worker.claim(task)
    delete(worker, task)
    publish_and_be_killed(worker, claim)

    def refuse(_key: str) -> None:
        raise StorageError("refused")

    with monkeypatch.context() as patch:
        patch.setattr(worker.storage, "delete", refuse)
        with pytest.raises(StorageError):
            look(worker, 1.1)
    look(worker, 1.2 + RETRY_SECONDS / MINUTE)
    assert objects(worker) == []


def test_an_object_of_another_day_is_another_jobs(worker: LocalWorker) -> None:
    task = worker.ready()
    claim = worker.claim(task)
    foreign = f"2020/01/01/{task.id}-0-1.jpg"
    published(worker.storage, b"bytes", foreign)
    delete(worker, task)
    publish_and_be_killed(worker, claim)
    look(worker, 1.1)
    assert objects(worker) == [foreign]
