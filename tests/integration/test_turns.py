"""A worker in this process, one job after the other, against the sandbox."""

import threading
from pathlib import Path

import pytest

from jobs.job import Job
from jobs.status import Status
from tests.harness.floor import Floor
from tests.harness.patience import wait_for
from worker import rescue, thumbnails
from worker.claim import Claim
from worker.sweep import sweep
from worker.thumbnails import Thumbnail

RETRY_AFTER_SECONDS = 300.0


# Which job.


def test_the_url_that_dies_first_is_fetched_first_whatever_the_entry_names(floor: Floor) -> None:
    later = floor.ready(life=3000)
    sooner = floor.ready(life=30)
    assert floor.wired.store.most_urgent() == sooner.id
    assert floor.take(later)
    assert (floor.job(sooner).status, floor.job(later).status) == (Status.STORED, Status.READY)


def test_a_question_to_bfl_does_not_come_before_a_url_that_dies_soon(floor: Floor) -> None:
    dying = floor.ready(life=60)
    asked = floor.finished()
    floor.unclear(asked)
    assert floor.take(asked)
    assert (floor.job(dying).status, floor.polls(asked)) == (Status.STORED, 0)


def test_a_turn_without_any_work_does_nothing(floor: Floor) -> None:
    task = floor.ready()
    assert floor.take(task)
    assert not floor.take(task)
    assert floor.downloads(task) == 1


# Without success.


def test_what_is_published_for_a_job_that_is_not_stored_in_the_end_does_not_stay(
    floor: Floor,
) -> None:
    task = floor.ready()

    def half_there(job: Job | None, _now: float) -> Job | None:
        nowhere = f"{floor.box.url}/results/nowhere/sample.jpeg"
        return job and job.with_delivery(urls=(*job.delivery.urls, nowhere))

    floor.wired.store.update(task.id, half_there)
    assert floor.take(task)
    assert floor.job(task).status is Status.EXPIRED
    assert floor.downloads(task) == 1
    assert list(floor.media_root.rglob("*.jpg")) == []


# What BFL says.


def test_a_polling_url_on_record_is_checked_before_the_key_goes_there(floor: Floor) -> None:
    task = floor.finished()
    floor.unclear(task)
    elsewhere = f"{floor.box.url}/elsewhere?id={task.id}"

    def bent(job: Job | None, _now: float) -> Job | None:
        return job and job.with_check(polling_url=elsewhere)

    floor.wired.store.update(task.id, bent)
    assert floor.take(task)
    assert [seen.target for seen in floor.box.requests] == []
    assert floor.job(task).status is Status.SUBMITTED


@pytest.mark.parametrize("fault", ["poll_429", "poll_503"])
def test_bfl_is_not_asked_before_the_time_it_named(floor: Floor, fault: str) -> None:
    task = floor.finished(**{fault: 1, "retry_after": RETRY_AFTER_SECONDS})
    floor.unclear(task)
    floor.take(task)
    job = floor.job(task)
    assert job.check.work_deadline is None and job.check.next_check_at is not None
    assert job.check.next_check_at - floor.wired.store.now() == pytest.approx(
        RETRY_AFTER_SECONDS, abs=5
    )


def test_a_fresh_url_is_asked_for_once(floor: Floor) -> None:
    floor.box.settings.url_life_seconds = 1.0
    task = floor.ready(delivery_status=403)
    first = floor.job(task)
    until_dead(floor, first)
    floor.take(task)
    second = floor.job(task)
    assert (
        second.status is Status.READY
        and second.delivery.urls != first.delivery.urls
        and second.delivery.refreshed
    )
    until_dead(floor, second)
    floor.take(task)
    assert floor.job(task).status is Status.EXPIRED
    assert (floor.polls(task), floor.downloads(task)) == (2, 2)


def until_dead(floor: Floor, job: Job) -> None:
    dies_at = job.delivery.expire_at or 0.0
    wait_for("the URL is dead", lambda: floor.wired.store.now() > dies_at, 5)


# Thumbnails.


def test_thumbnails_wait_until_no_job_does(floor: Floor) -> None:
    later = floor.ready(life=3000)
    sooner = floor.ready(life=30)
    assert floor.take(later)
    assert floor.thumbnails(sooner) == [None] and floor.job(later).status is Status.READY
    assert floor.take(later)
    assert all(floor.thumbnails(sooner)) and all(floor.thumbnails(later))


def test_a_job_that_comes_in_between_two_thumbnails_of_another_goes_first(
    floor: Floor, monkeypatch: pytest.MonkeyPatch
) -> None:
    many = floor.ready(samples=3)
    make = thumbnails.make

    def make_slowly(path: Path, content_type: str, stop: threading.Event) -> Thumbnail | None:
        floor.unclear(floor.finished())
        return make(path, content_type, stop)

    monkeypatch.setattr(thumbnails, "make", make_slowly)
    floor.take(many)
    assert [bool(one) for one in floor.thumbnails(many)] == [True, False, False]
    monkeypatch.setattr(thumbnails, "make", make)
    floor.take(many)
    floor.take(many)
    assert all(floor.thumbnails(many)) and floor.job(many).thumbnails.due_at is None


def test_thumbnails_that_nobody_draws_get_a_hint_of_their_own(floor: Floor) -> None:
    task = floor.ready()
    claim = Claim.acquire(floor.wired.store, task.id)
    assert claim is not None
    rescue.rescue(floor.wired, claim)  # and then its worker was killed
    floor.wired.redis.delete(floor.wired.rq_queue.queue_key)
    sweep(floor.wired)
    assert floor.wired.redis.llen(floor.wired.rq_queue.queue_key) == 1
    assert not floor.take(task)
    assert all(floor.thumbnails(task))
    sweep(floor.wired)
    assert floor.wired.redis.llen(floor.wired.rq_queue.queue_key) == 1


def test_a_job_that_was_forgotten_meanwhile_gets_no_thumbnail(floor: Floor) -> None:
    task = floor.ready()
    claim = Claim.acquire(floor.wired.store, task.id)
    assert claim is not None
    rescue.rescue(floor.wired, claim)
    job = floor.job(task)
    floor.wired.media.delete_with_companions(job.media[0].key)
    floor.wired.store.delete(job)
    thumbnails.store(floor.wired, job.id, job.media[0], Thumbnail(b"small", 1, 1))
    assert [path for path in floor.media_root.rglob("*") if path.is_file()] == []
    assert floor.wired.store.due_thumbnails() is None
