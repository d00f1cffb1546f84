"""A worker's hold on a job: renewed while it works, and worth nothing once somebody else has it."""

import threading
from collections.abc import Iterator
from typing import Any

import pytest
from redis import Redis

from jobs import ingest
from jobs.errors import ClaimLost
from jobs.job import Job
from jobs.keys import RECORDS, WAITING
from jobs.patience import Patience
from jobs.report import Report
from jobs.states import News, Source
from jobs.store import Store
from tests.harness import RedisServer
from tests.harness.parts import Parts
from tests.harness.patience import wait_for
from worker import claim as claims
from worker.claim import Claim

PATIENCE = Patience(callback_grace=60.0, give_up_after=3600.0)
URL = "https://delivery.eu2.bfl.ai/results/ab/sample.jpeg?sig=a"


@pytest.fixture
def redis(redis_server: RedisServer) -> Iterator[Redis]:
    with redis_server.client() as client:
        yield client


@pytest.fixture
def store(redis: Redis) -> Store:
    return Parts.over(redis).store


def ready(store: Store, *task_ids: str) -> None:
    for task_id in task_ids:
        report = Report(task_id=task_id, news=News.READY, source=Source.CALLBACK, urls=(URL,))
        ingest.apply_report(store, report, PATIENCE)


def taken(store: Store, job_id: str = "job") -> Claim:
    claim = Claim.take(store, job_id)
    assert claim is not None
    return claim


def with_the_lease_over(job: Job | None, now: float) -> Job | None:
    """As the sweep finds it when the lease has run out."""
    return job and job.described(now, {"lease_until": now - 1}).looked_at(now)


def lease_of(store: Store) -> float:
    job = store.load("job")
    assert job is not None and job.lease_until is not None
    return job.lease_until


def test_of_two_workers_that_looked_at_the_same_time_one_gets_the_job(store: Store) -> None:
    ready(store, "job")
    quick: list[Claim] = []

    def slow(job: Job | None, now: float) -> Job | None:
        if not quick:  # between its read and its write
            quick.append(taken(store))
        return job.claimed(now) if job and job.wanted is not None else job

    change = store.change("job", slow)
    assert not change.written
    assert quick[0].commit(Job.renewed).fence == 1


# The fence.


def test_whoever_was_taken_over_commits_nothing(store: Store) -> None:
    ready(store, "job")
    late = taken(store)
    store.change("job", with_the_lease_over)
    quick = taken(store)
    before = store.load("job")
    with pytest.raises(ClaimLost):
        late.commit(lambda job, now: job.expired(now, "too late"))
    assert store.load("job") == before
    assert quick.commit(Job.renewed).fence == late.job.fence + 1


def test_whoever_was_given_up_commits_nothing_before_the_next_one_comes(store: Store) -> None:
    ready(store, "job")
    late = taken(store)
    store.change("job", with_the_lease_over)
    with pytest.raises(ClaimLost):
        late.commit(lambda job, now: job.expired(now, "too late"))


@pytest.mark.parametrize("end", [Job.given_up, lambda job, now: job.refused(now, "x", "y")])
def test_what_has_ended_is_not_committed_to(store: Store, end: Any) -> None:
    ready(store, "job")
    claim = taken(store)
    store.change("job", lambda job, now: job and end(job, now))
    with pytest.raises(ClaimLost):
        claim.commit(lambda job, now: job.stored(now, ()))


def test_a_forgotten_job_is_not_committed_to(store: Store) -> None:
    ready(store, "job")
    claim = taken(store)
    store.forget(claim.job)
    with pytest.raises(ClaimLost):
        claim.commit(Job.renewed)
    assert store.load("job") is None


# The lease.


def test_a_lease_is_renewed_while_its_worker_works(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(claims, "RENEW_EVERY_SECONDS", 0.05)
    ready(store, "job")
    with taken(store):
        first = lease_of(store)
        wait_for("a renewed lease", lambda: lease_of(store) > first, 5)


def test_a_worker_whose_work_is_over_renews_nothing(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(claims, "RENEW_EVERY_SECONDS", 0.05)
    ready(store, "job")
    with taken(store):
        pass
    last = lease_of(store)
    assert not [thread for thread in threading.enumerate() if thread.name == "lease"]
    assert lease_of(store) == last


def test_a_worker_is_told_at_once_when_its_job_was_taken_over(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(claims, "RENEW_EVERY_SECONDS", 0.05)
    ready(store, "job")
    told = threading.Event()
    claim = taken(store)
    claim.on_loss = told.set
    with claim:
        store.change("job", with_the_lease_over)
        assert told.wait(5) and claim.lost


# A broken record.


def test_a_broken_record_is_put_off_by_the_worker_that_finds_it(store: Store, redis: Redis) -> None:
    ready(store, "broken", "good")
    redis.set(RECORDS + "broken", b"1 {")
    redis.zadd(WAITING, {"broken": 1.0})
    assert store.most_urgent() == "broken"
    assert Claim.take(store, "broken") is None
    assert store.most_urgent() == "good"
    assert "broken" not in store.due(10).ids
