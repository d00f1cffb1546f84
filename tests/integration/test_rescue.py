"""A worker in this process, one job after the other, against the sandbox."""

import time
from collections.abc import Callable
from itertools import count, islice
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from jobs import sidecars
from jobs.domain.bfl_report import Role
from jobs.domain.job import Job
from jobs.domain.retention import DAY_SECONDS
from jobs.domain.status import Status
from jobs.store.redis import clock
from jobs.store.rq_queue import QUEUE_KEY
from receiver.job_actions import delete_job
from tests.harness.local_worker import LocalWorker
from tests.harness.patience import wait_for
from worker import rescue, thumbnails
from worker.periodic.retention import RetentionCleanup
from worker.sweep import sweep
from worker.thumbnails import Thumbnail

RETRY_AFTER_SECONDS = 300.0


def test_files_of_a_job_that_expires_do_not_stay(worker: LocalWorker) -> None:
    task = worker.ready()
    urls = (*worker.job(task).delivery.urls, f"{worker.sandbox.url}/results/nowhere/a.jpeg")
    now = worker.store.now()
    delivery: dict[str, Any] = {"urls": urls, "roles": (Role.OTHER, Role.SAMPLE)}
    delivery |= {"expire_at": now, "refreshed": True}
    worker.store.change(
        task.id, lambda job, _now: job.evolve(delivery=job.delivery.evolve(**delivery))
    )
    assert worker.work()
    assert worker.job(task).status is Status.EXPIRED
    assert worker.downloads(task) == 1
    assert list(worker.media_root.rglob("*.jpg")) == []


def test_urls_do_not_expire_because_the_clock_of_a_worker_jumped(
    worker: LocalWorker, monkeypatch: pytest.MonkeyPatch
) -> None:
    task = worker.ready()
    claim = worker.claim(task)
    ahead = SimpleNamespace(monotonic=lambda: time.monotonic() + 2 * DAY_SECONDS)
    monkeypatch.setattr(clock, "time", ahead)
    rescue.rescue(worker.services, claim)
    assert worker.job(task).status is Status.READY


def test_a_polling_url_on_record_is_checked_before_the_key_goes_there(worker: LocalWorker) -> None:
    task = worker.finished()
    worker.unclear(task)
    elsewhere = f"{worker.sandbox.url}/elsewhere?id={task.id}"
    polling = {"polling_url": elsewhere}
    worker.store.change(task.id, lambda job, _now: job.with_polling(**polling))
    assert worker.work()
    assert [seen.target for seen in worker.sandbox.requests] == []
    assert worker.job(task).status is Status.SUBMITTED


@pytest.mark.parametrize("fault", ["poll_429", "poll_503"])
def test_bfl_is_not_asked_before_the_time_it_named(worker: LocalWorker, fault: str) -> None:
    task = worker.finished(**{fault: 1, "retry_after": RETRY_AFTER_SECONDS})
    worker.unclear(task)
    worker.work()
    job = worker.job(task)
    assert job.lease.work_deadline is None and job.polling.next_check_at is not None
    assert job.polling.next_check_at - worker.store.now() == pytest.approx(
        RETRY_AFTER_SECONDS, abs=30
    )


def test_thumbnails_wait_until_no_job_does(worker: LocalWorker) -> None:
    later = worker.ready(life=3000)
    sooner = worker.ready(life=30)
    assert worker.store.most_urgent() == sooner.id
    assert worker.work(draws=True)
    assert worker.thumbnails(sooner) == [None] and worker.job(later).status is Status.READY
    assert worker.work(draws=True)
    assert all(worker.thumbnails(sooner)) and all(worker.thumbnails(later))


def test_a_job_that_comes_in_between_two_thumbnails_of_another_goes_first(
    worker: LocalWorker, monkeypatch: pytest.MonkeyPatch
) -> None:
    many = worker.ready(samples=3)
    make = thumbnails.make

    def make_slowly(path: Path, content_type: str) -> Thumbnail | None:
        worker.unclear(worker.finished())
        return make(path, content_type)

    monkeypatch.setattr(thumbnails, "make", make_slowly)
    worker.work(draws=True)
    assert [bool(one) for one in worker.thumbnails(many)] == [True, False, False]
    monkeypatch.setattr(thumbnails, "make", make)
    worker.work(draws=True)
    worker.work(draws=True)
    assert all(worker.thumbnails(many)) and worker.job(many).thumbnails.due_at is None


def test_waiting_thumbnails_get_an_rq_job(worker: LocalWorker) -> None:
    task = worker.ready()
    rescue.rescue(worker.services, worker.claim(task))  # and then its worker was killed
    worker.services.redis.delete(QUEUE_KEY)
    sweep(worker.services)
    assert worker.services.redis.llen(QUEUE_KEY) == 1
    assert not worker.work(draws=True)
    assert all(worker.thumbnails(task))
    sweep(worker.services)
    assert worker.services.redis.llen(QUEUE_KEY) == 1


def test_a_job_that_was_deleted_meanwhile_gets_no_thumbnail(worker: LocalWorker) -> None:
    task = worker.ready()
    rescue.rescue(worker.services, worker.claim(task))
    job = worker.job(task)
    worker.storage.delete_with_companions(job.media[0].key)
    worker.store.delete(job)
    thumbnails.store(worker.services, job.id, job.media[0], Thumbnail(b"small", 1, 1))
    assert [path for path in worker.media_root.rglob("*") if path.is_file()] == []
    assert worker.services.due.thumbnails.members_until(worker.store.now(), 1) == ()


def test_a_job_that_is_stored_during_its_deletion_leaves_nothing(worker: LocalWorker) -> None:
    task, services = worker.ready(), worker.services
    seen = worker.job(task)
    rescue.rescue(services, worker.claim(task))
    call = {"metadata": {"album": "fog"}, "model": "flux-2-pro"}
    services.store.change(seen.id, lambda job, now: job.with_details(now, call))
    delete_job(services, seen)
    assert [path for path in worker.media_root.rglob("*") if path.is_file()] == []
    assert services.redis.keys("fluxkeep:by:*") == services.redis.keys("fluxkeep:jobs:*") == []


@pytest.mark.parametrize("before_call", range(3))
@pytest.mark.parametrize("deletions", range(1, 4))
def test_none_is_left(
    worker: LocalWorker,
    monkeypatch: pytest.MonkeyPatch,
    before_call: int,
    deletions: int,
) -> None:
    """The deletion is that far when the writer comes to this call of the storage."""
    task = worker.ready()
    worker.work()
    job, media, order = worker.job(task), worker.storage, list[str]()
    with monkeypatch.context() as patch:
        patch.setattr(media, "delete", order.append)
        media.delete_with_companions(job.media[0].key)
    left, calls = iter(order), count()

    def during_deletion(call: Callable[..., Any]) -> Callable[..., Any]:
        def called(*args: Any) -> Any:
            if next(calls) == before_call:
                for key in islice(left, deletions):
                    media.delete(key)
            return call(*args)

        return called

    with monkeypatch.context() as patch:
        for name in ("size", "write"):
            patch.setattr(media, name, during_deletion(getattr(media, name)))
        sidecars.update(worker.store, media, job.id)
    assert next(calls) > before_call
    for key in left:
        media.delete(key)
    assert worker.store.delete(job) and list(media.list_objects()) == []


def test_none_describes_an_input_after_its_record_has_gone(
    worker: LocalWorker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The writer is done between the two steps of retention: the input goes, then the record."""
    task = worker.ready()
    worker.work()
    kept = {"prompt": "canary"}
    worker.store.change(task.id, lambda job, _now: job.with_request(kept_input=kept))
    job, media, store = worker.job(task), worker.storage, worker.store
    delete, later = store.delete_unchanged, store.now() + 31 * DAY_SECONDS

    def delete_late(*args: Any) -> bool:
        sidecars.update(store, media, job.id)
        return delete(*args)

    monkeypatch.setattr(store, "delete_unchanged", delete_late)
    monkeypatch.setattr(store, "now", lambda: later)
    RetentionCleanup(worker.services).step()
    assert store.load(job.id) is None
    assert not sidecars.read(media, job.media[0].key).request.kept_input


def test_a_fresh_url_is_asked_for_once(worker: LocalWorker) -> None:
    worker.sandbox.settings.url_life_seconds = 1.0
    task = worker.ready(delivery_status=403)
    first = worker.job(task)
    until_dead(worker, first)
    worker.work()
    second = worker.job(task)
    assert (
        second.status is Status.READY
        and second.delivery.urls != first.delivery.urls
        and second.delivery.refreshed
    )
    until_dead(worker, second)
    worker.work()
    assert worker.job(task).status is Status.EXPIRED
    assert (worker.polls(task), worker.downloads(task)) == (2, 2)


def until_dead(worker: LocalWorker, job: Job) -> None:
    dies_at = job.delivery.expire_at or 0.0
    wait_for("the URL is dead", lambda: worker.store.now() > dies_at, 5)
