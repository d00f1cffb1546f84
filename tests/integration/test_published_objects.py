"""Files that a worker published and did not commit: recovered when intact, else deleted."""

import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from redis import Redis

from jobs import sidecars
from jobs.domain.job import Job
from jobs.domain.status import Status
from jobs.storage.base import MediaStorage
from jobs.storage.layout import ObjectKind, fencing_token_of, kind_of, sidecar_key
from tests.harness import TestBucket
from tests.harness.local_worker import LocalWorker
from tests.harness.patience import wait_for
from tests.harness.publishing import published
from tests.harness.reports import call_back
from tests.sandbox import Sandbox, Task
from tests.sandbox.formats import JPEGS
from worker import published_objects, rescue
from worker.claim import ClaimLost


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


def published_by_a_dead_worker(worker: LocalWorker, task: Task) -> str:
    """The key of an object whose worker was killed before it committed."""
    claim = worker.claim(task)
    rescue.rescue_files(worker.services, claim)
    worker.die_with(claim)
    (key,) = objects(worker, task)
    assert fencing_token_of(key) == claim.job.lease.fencing_token
    return key


def objects(worker: LocalWorker, task: Task) -> list[str]:
    job, media = worker.job(task), worker.storage
    found = [one.key for one in media.list_objects_of((job.id,), job.created_at)]
    return [key for key in found if kind_of(key) is ObjectKind.MEDIA]


def assert_stored(worker: LocalWorker, task: Task) -> None:
    """The storage has the files of the record, with their sidecars, and nothing else."""
    job, media = worker.job(task), worker.storage
    assert job.status is Status.STORED
    assert sorted(objects(worker, task)) == sorted(file.key for file in job.media)
    for n, file in enumerate(job.media):
        assert b"".join(media.read(file.key)) == worker.sandbox.file(task.id, n)
        assert b"".join(media.read(sidecar_key(file.key))) == sidecars.render(job)
        assert media.sha256(file.key) == file.sha256
    listed = {one.key for one in media.list_objects_of((job.id,), job.created_at)}
    assert {key for key in listed if key.endswith(".json")} == {
        sidecar_key(file.key) for file in job.media
    }


@pytest.mark.parametrize(
    "spoil",
    [
        None,
        lambda media, key: media.delete(sidecar_key(key)),
        lambda media, key: media.write(sidecar_key(key), b"{"),
        lambda media, key: media.delete(key),
        lambda media, key: published(media, JPEGS[1], key),
        lambda media, key: published(media, b"x" * (media.size(key) or 0), key),
    ],
    ids=["intact", "no sidecar", "broken sidecar", "no object", "another object", "damaged object"],
)
def test_what_a_dead_worker_published_is_recovered_if_it_is_intact(
    worker: LocalWorker, spoil: Callable[[MediaStorage, str], None] | None
) -> None:
    task = worker.ready()
    key = published_by_a_dead_worker(worker, task)
    if spoil:
        spoil(worker.storage, key)
    assert worker.work()
    assert_stored(worker, task)
    assert (key in objects(worker, task), worker.downloads(task)) == (not spoil, 2 if spoil else 1)


def test_each_file_of_several_is_downloaded_once(worker: LocalWorker) -> None:
    """The first one was published when the connection of the second was cut."""
    task = worker.ready(samples=2, size=60_000, drip=60_000)
    claim = worker.claim(task)

    def lose() -> None:
        wait_for("the second file", lambda: worker.downloads(task) == 2)
        claim.abort()

    loser = threading.Thread(target=lose)
    loser.start()
    with pytest.raises(ClaimLost):
        rescue.rescue_files(worker.services, claim)
    loser.join()
    worker.die_with(claim)
    assert len(objects(worker, task)) == 1
    assert worker.work()
    assert_stored(worker, task)
    assert len({fencing_token_of(key) for key in objects(worker, task)}) == 2
    assert worker.downloads(task) == 3


def test_a_late_worker_deletes_its_own_file_of_a_job_that_has_ended(worker: LocalWorker) -> None:
    task = worker.ready()
    late = worker.claim(task)
    worker.die_with(late)
    assert worker.work()
    with pytest.raises(ClaimLost):
        rescue.rescue(worker.services, late)
    assert_stored(worker, task)
    assert worker.downloads(task) == 2


def test_a_late_worker_leaves_its_file_to_the_job_that_is_under_way(worker: LocalWorker) -> None:
    task = worker.ready()
    late = worker.claim(task)
    worker.die_with(late)
    claim = worker.claim(task)
    with pytest.raises(ClaimLost):
        rescue.rescue(worker.services, late)
    assert len(objects(worker, task)) == 1
    rescue.rescue(worker.services, claim)
    assert_stored(worker, task)
    assert worker.downloads(task) == 1


def test_a_late_worker_leaves_the_sidecars_of_stored_files(worker: LocalWorker) -> None:
    """It published them all, and was stopped before it wrote their final sidecars."""
    task = worker.ready(samples=2)
    late = worker.claim(task)
    files = rescue.rescue_files(worker.services, late)
    worker.die_with(late)
    assert worker.work()
    with pytest.raises(ClaimLost):
        rescue.store_files(worker.services, late, files)
    assert_stored(worker, task)
    assert worker.downloads(task) == 2


def test_a_sidecar_has_what_its_caller_says_while_the_job_is_stored(worker: LocalWorker) -> None:
    task = worker.ready()
    claim = worker.claim(task)
    files = rescue.rescue_files(worker.services, claim)
    details = {"metadata": {"album": "fog"}}
    worker.store.change(task.id, lambda job, now: job.with_details(now, details))
    rescue.store_files(worker.services, claim, files)
    assert_stored(worker, task)


def test_what_was_stored_before_redis_was_lost_survives_a_dead_url(worker: LocalWorker) -> None:
    task = worker.ready()
    assert worker.work()
    before = worker.job(task)
    worker.services.redis.flushall()
    call_back(worker.store, task.id, url=f"{worker.sandbox.url}/gone/sample.jpeg")
    gone = {"refreshed": True, "expire_at": worker.store.now()}  # at BFL too
    dead = worker.job(task).delivery.evolve(**gone)
    worker.store.change(task.id, lambda job, _now: job.evolve(delivery=dead))
    assert worker.work()
    assert_stored(worker, task)
    after = worker.job(task)
    assert [file.sha256 for file in after.media] == [file.sha256 for file in before.media]
    assert "rescue.recovered" in [line.event for line in after.timeline]


def test_a_lost_history_repeats_no_name(worker: LocalWorker) -> None:
    """The fencing token comes from the clock of Redis: nothing that was stored is overwritten."""
    task = worker.ready()
    assert worker.work()
    (before,) = objects(worker, task)
    worker.services.redis.flushall()
    worker.unclear(task)
    assert worker.work() and worker.work()
    assert worker.job(task).status is Status.STORED
    (file,) = worker.job(task).media
    assert {before} < set(objects(worker, task)) and file.key != before


def test_what_a_sidecar_says_is_stored_is_deleted_only_with_its_job(worker: LocalWorker) -> None:
    task = worker.ready()
    assert worker.work()
    job: Job = worker.job(task)
    worker.services.redis.flushall()
    published_objects.delete_superseded(worker.services, job)
    assert worker.storage.size(job.media[0].key) is not None
    worker.store.update(job.id, lambda *_: job, assumes_new=True)
    assert worker.store.delete(worker.job(task))
    published_objects.delete_superseded(worker.services, job)
    assert list(worker.storage.list_objects()) == []


def test_the_sweep_deletes_what_is_left_when_the_last_worker_dies_too(
    worker: LocalWorker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first is killed between a sidecar and its object, the second right after its commit."""
    task, services = worker.ready(), worker.services
    left = published_by_a_dead_worker(worker, task)
    services.storage.delete(left)
    rescue.rescue_and_commit(services, worker.claim(task))
    published_objects.delete_left_objects(services)
    assert services.storage.size(sidecar_key(left)) is not None  # a late worker may still be at it
    monkeypatch.setattr(published_objects, "LATE_WORKER_SECONDS", 0.0)
    published_objects.delete_left_objects(services)
    assert services.storage.size(sidecar_key(left)) is None
    assert_stored(worker, task)
    assert services.due.superseded.members_until(services.store.now(), 9) == ()


@pytest.mark.parametrize("kills", [0, 1])
def test_a_job_of_two_workers_is_checked_again(worker: LocalWorker, kills: int) -> None:
    task, services = worker.ready(), worker.services
    for _ in range(kills):
        worker.die_with(worker.claim(task))
    assert worker.work()
    assert services.due.superseded.members_until(services.store.now(), 9) == (task.id,) * kills
