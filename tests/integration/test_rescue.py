"""A worker in this process, one job after the other, against the sandbox."""

from pathlib import Path

import pytest

from jobs.domain.bfl_report import Role
from jobs.domain.job import Job
from jobs.domain.status import Status
from jobs.store.rq_queue import QUEUE_KEY
from receiver.job_actions import delete_job
from tests.harness.patience import wait_for
from tests.harness.worker_environment import WorkerEnvironment
from worker import rescue, thumbnails
from worker.sweep import sweep
from worker.thumbnails import Thumbnail

RETRY_AFTER_SECONDS = 300.0


# Which job.


def test_the_url_that_dies_first_is_fetched_first_whatever_the_entry_names(
    worker_env: WorkerEnvironment,
) -> None:
    later = worker_env.ready(life=3000)
    sooner = worker_env.ready(life=30)
    assert worker_env.services.store.most_urgent() == sooner.id
    assert worker_env.work()
    assert (worker_env.job(sooner).status, worker_env.job(later).status) == (
        Status.STORED,
        Status.READY,
    )


# Without success.


def test_what_is_published_for_a_job_that_is_not_stored_in_the_end_does_not_stay(
    worker_env: WorkerEnvironment,
) -> None:
    task = worker_env.ready()
    urls = (*worker_env.job(task).delivery.urls, f"{worker_env.sandbox.url}/results/nowhere/a.jpeg")
    delivery = {"urls": urls, "roles": (Role.OTHER, Role.SAMPLE)}
    worker_env.services.store.change(task.id, lambda job, _now: job.with_delivery(**delivery))
    assert worker_env.work()
    assert worker_env.job(task).status is Status.EXPIRED
    assert worker_env.downloads(task) == 1
    assert list(worker_env.media_root.rglob("*.jpg")) == []


# What BFL says.


def test_a_polling_url_on_record_is_checked_before_the_key_goes_there(
    worker_env: WorkerEnvironment,
) -> None:
    task = worker_env.finished()
    worker_env.unclear(task)
    elsewhere = f"{worker_env.sandbox.url}/elsewhere?id={task.id}"
    polling = {"polling_url": elsewhere}
    worker_env.services.store.change(task.id, lambda job, _now: job.with_polling(**polling))
    assert worker_env.work()
    assert [seen.target for seen in worker_env.sandbox.requests] == []
    assert worker_env.job(task).status is Status.SUBMITTED


@pytest.mark.parametrize("fault", ["poll_429", "poll_503"])
def test_bfl_is_not_asked_before_the_time_it_named(
    worker_env: WorkerEnvironment, fault: str
) -> None:
    task = worker_env.finished(**{fault: 1, "retry_after": RETRY_AFTER_SECONDS})
    worker_env.unclear(task)
    worker_env.work()
    job = worker_env.job(task)
    assert job.claim.work_deadline is None and job.polling.next_check_at is not None
    assert job.polling.next_check_at - worker_env.services.store.now() == pytest.approx(
        RETRY_AFTER_SECONDS, abs=30
    )


def test_a_fresh_url_is_asked_for_once(worker_env: WorkerEnvironment) -> None:
    worker_env.sandbox.settings.url_life_seconds = 1.0
    task = worker_env.ready(delivery_status=403)
    first = worker_env.job(task)
    until_dead(worker_env, first)
    worker_env.work()
    second = worker_env.job(task)
    assert (
        second.status is Status.READY
        and second.delivery.urls != first.delivery.urls
        and second.delivery.refreshed
    )
    until_dead(worker_env, second)
    worker_env.work()
    assert worker_env.job(task).status is Status.EXPIRED
    assert (worker_env.polls(task), worker_env.downloads(task)) == (2, 2)


def until_dead(worker_env: WorkerEnvironment, job: Job) -> None:
    dies_at = job.delivery.expire_at or 0.0
    wait_for("the URL is dead", lambda: worker_env.services.store.now() > dies_at, 5)


# Thumbnails.


def test_thumbnails_wait_until_no_job_does(worker_env: WorkerEnvironment) -> None:
    later = worker_env.ready(life=3000)
    sooner = worker_env.ready(life=30)
    assert worker_env.work(draws=True)
    assert worker_env.thumbnails(sooner) == [None] and worker_env.job(later).status is Status.READY
    assert worker_env.work(draws=True)
    assert all(worker_env.thumbnails(sooner)) and all(worker_env.thumbnails(later))


def test_a_job_that_comes_in_between_two_thumbnails_of_another_goes_first(
    worker_env: WorkerEnvironment, monkeypatch: pytest.MonkeyPatch
) -> None:
    many = worker_env.ready(samples=3)
    make = thumbnails.make

    def make_slowly(path: Path, content_type: str) -> Thumbnail | None:
        worker_env.unclear(worker_env.finished())
        return make(path, content_type)

    monkeypatch.setattr(thumbnails, "make", make_slowly)
    worker_env.work(draws=True)
    assert [bool(one) for one in worker_env.thumbnails(many)] == [True, False, False]
    monkeypatch.setattr(thumbnails, "make", make)
    worker_env.work(draws=True)
    worker_env.work(draws=True)
    assert all(worker_env.thumbnails(many)) and worker_env.job(many).thumbnails.due_at is None


def test_waiting_thumbnails_get_an_rq_job(worker_env: WorkerEnvironment) -> None:
    task = worker_env.ready()
    rescue.rescue(worker_env.services, worker_env.claim(task))  # and then its worker was killed
    worker_env.services.redis.delete(QUEUE_KEY)
    sweep(worker_env.services)
    assert worker_env.services.redis.llen(QUEUE_KEY) == 1
    assert not worker_env.work(draws=True)
    assert all(worker_env.thumbnails(task))
    sweep(worker_env.services)
    assert worker_env.services.redis.llen(QUEUE_KEY) == 1


def test_a_job_that_was_deleted_meanwhile_gets_no_thumbnail(worker_env: WorkerEnvironment) -> None:
    task = worker_env.ready()
    rescue.rescue(worker_env.services, worker_env.claim(task))
    job = worker_env.job(task)
    worker_env.services.storage.delete_with_companions(job.media[0].key)
    worker_env.services.store.delete(job)
    thumbnails.store(worker_env.services, job.id, job.media[0], Thumbnail(b"small", 1, 1))
    assert [path for path in worker_env.media_root.rglob("*") if path.is_file()] == []
    assert worker_env.services.due.thumbnails.until(worker_env.services.store.now(), 1) == ()


def test_a_job_that_is_stored_and_searched_for_during_its_deletion_leaves_nothing(
    worker_env: WorkerEnvironment,
) -> None:
    task, services = worker_env.ready(), worker_env.services
    seen = worker_env.job(task)
    rescue.rescue(services, worker_env.claim(task))
    call = {"metadata": {"album": "fog"}, "model": "flux-2-pro"}
    services.store.change(seen.id, lambda job, now: job.with_details(now, call))
    delete_job(services, seen)
    assert [path for path in worker_env.media_root.rglob("*") if path.is_file()] == []
    assert services.redis.keys("fluxkeep:by:*") == services.redis.keys("fluxkeep:jobs:*") == []
