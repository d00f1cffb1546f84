"""Claims: leases, their renewal, and fencing tokens."""

import time
from collections.abc import Iterator
from typing import Any

import pytest
from redis import Redis

from jobs import ingest
from jobs.errors import ClaimLost
from jobs.job import Job
from jobs.report import Report
from jobs.status import ReportKind, Source
from jobs.store.job_store import JobStore
from jobs.store.keys import PENDING_RESCUES, RECORD_PREFIX
from jobs.timeouts import Timeouts
from tests.harness import RedisServer
from tests.harness.parts import Parts
from worker import claim as claim_module
from worker.claim import Claim, Claims

TIMEOUTS = Timeouts(callback_grace=60.0, give_up_after=3600.0)
URL = "https://delivery.eu2.bfl.ai/results/ab/sample.jpeg?sig=a"


@pytest.fixture
def redis(redis_server: RedisServer) -> Iterator[Redis]:
    with redis_server.client() as client:
        yield client


@pytest.fixture
def store(redis: Redis) -> JobStore:
    return Parts.over(redis).store


def ready(store: JobStore, *task_ids: str) -> None:
    for task_id in task_ids:
        report = Report(task_id=task_id, kind=ReportKind.READY, source=Source.CALLBACK, urls=(URL,))
        ingest.apply_report(store, report, TIMEOUTS)


def taken(store: JobStore, job_id: str = "job") -> Claim:
    claim = Claim.acquire(store, job_id)
    assert claim is not None
    return claim


def with_the_lease_over(job: Job | None, now: float) -> Job | None:
    """As the sweep finds it when the lease has run out."""
    return job and job.with_check(lease_until=now - 1).recheck(now)


def lease_of(store: JobStore) -> float:
    job = store.load("job")
    assert job is not None and job.check.lease_until is not None
    return job.check.lease_until


def test_of_two_workers_that_looked_at_the_same_time_one_gets_the_job(store: JobStore) -> None:
    ready(store, "job")
    quick: list[Claim] = []

    def slow(job: Job | None, now: float) -> Job | None:
        if not quick:  # between its read and its write
            quick.append(taken(store))
        return job.claimed(now) if job and job.check.work_deadline is not None else job

    change = store.update("job", slow)
    assert not change.written
    assert quick[0].commit(Job.renewed).check.rescue_attempts == 1


# The fence.


def test_whoever_was_taken_over_commits_nothing(store: JobStore) -> None:
    ready(store, "job")
    late = taken(store)
    store.update("job", with_the_lease_over)
    quick = taken(store)
    before = store.load("job")
    with pytest.raises(ClaimLost):
        late.commit(lambda job, now: job.expired(now, "too late"))
    assert store.load("job") == before
    assert quick.commit(Job.renewed).check.fencing_token > late.job.check.fencing_token


def test_whoever_was_given_up_commits_nothing_before_the_next_one_comes(store: JobStore) -> None:
    ready(store, "job")
    late = taken(store)
    store.update("job", with_the_lease_over)
    with pytest.raises(ClaimLost):
        late.commit(lambda job, now: job.expired(now, "too late"))


@pytest.mark.parametrize("end", [Job.give_up, lambda job, now: job.refused(now, "x", "y")])
def test_what_has_ended_is_not_committed_to(store: JobStore, end: Any) -> None:
    ready(store, "job")
    claim = taken(store)
    store.update("job", lambda job, now: job and end(job, now))
    with pytest.raises(ClaimLost):
        claim.commit(lambda job, now: job.stored(now, ()))


def test_a_forgotten_job_is_not_committed_to(store: JobStore) -> None:
    ready(store, "job")
    claim = taken(store)
    store.delete(claim.job)
    with pytest.raises(ClaimLost):
        claim.commit(Job.renewed)
    assert store.load("job") is None


# The lease.


def held(store: JobStore) -> tuple[Claims, Claim]:
    claims, claim = Claims(), taken(store)
    claims.add(claim)
    return claims, claim


def test_a_lease_is_renewed_while_its_work_makes_progress(
    store: JobStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(claim_module, "RENEW_EVERY_SECONDS", 0.0)
    ready(store, "job")
    claims, claim = held(store)
    first = lease_of(store)
    claim.report_progress()
    assert claims.check() == []
    assert lease_of(store) > first and not claim.is_lost


def test_a_lease_is_not_renewed_when_nothing_moves(
    store: JobStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(claim_module, "RENEW_EVERY_SECONDS", 0.0)
    ready(store, "job")
    claims, claim = held(store)
    first = lease_of(store)
    claim.allow_silence(-1.0)
    assert claims.check() == [], "its connections are cut, so it may end now"
    assert lease_of(store) == first and claim.is_lost
    claim.allow_silence(-claim_module.HUNG_SECONDS - 1)
    assert claims.check() == [claim], "only its process can end it"


def test_a_claim_is_not_renewed_for_longer_than_its_url_lives_and_a_minute(
    store: JobStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    ready(store, "job")
    claim = taken(store)
    dies_at = claim.job.delivery.expire_at or 0.0
    over = time.monotonic() + dies_at - store.now() + claim_module.AFTER_EXPIRY_SECONDS
    monkeypatch.setattr(claim_module, "PROGRESS_SECONDS", over)
    claim.report_progress()
    claim.check(over - 1)
    assert not claim.is_lost
    claim.check(over + 1)
    assert claim.is_lost


def test_a_process_that_was_paused_ends_no_claim_for_the_time_it_missed(store: JobStore) -> None:
    ready(store, "job")
    claims, claim = held(store)
    claim.allow_silence(-60.0)
    claims.checked_at -= 60
    assert claims.check() == [] and not claim.is_lost


def test_a_worker_whose_work_is_over_renews_nothing(
    store: JobStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(claim_module, "RENEW_EVERY_SECONDS", 0.0)
    ready(store, "job")
    claims, claim = held(store)
    claims.remove(claim)
    last = lease_of(store)
    claims.check()
    assert lease_of(store) == last


def test_a_worker_learns_that_its_job_was_taken_over(
    store: JobStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(claim_module, "RENEW_EVERY_SECONDS", 0.0)
    ready(store, "job")
    claims, claim = held(store)
    store.update("job", with_the_lease_over)
    assert claims.check() == [] and claim.is_lost


# A broken record.


def test_a_broken_record_is_put_off_by_the_worker_that_finds_it(
    store: JobStore, redis: Redis
) -> None:
    ready(store, "broken", "good")
    redis.set(RECORD_PREFIX + "broken", b"1 {")
    redis.zadd(PENDING_RESCUES, {"broken": 1.0})
    assert store.most_urgent() == "broken"
    assert Claim.acquire(store, "broken") is None
    assert store.most_urgent() == "good"
    assert "broken" not in store.due(10).ids
