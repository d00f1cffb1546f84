"""Every unfinished job is checked in time, also after the loss of its RQ job or worker."""

from dataclasses import replace
from typing import Any

import pytest
from redis import Redis
from rq import Queue
from rq.serializers import JSONSerializer

from jobs.job import LEASE_SECONDS, Job
from jobs.services import Services
from jobs.status import ReportKind, Status
from jobs.store.keys import DUE, PENDING_POLLS, PENDING_RESCUES
from jobs.store.rq_queue import QUEUE_NAME
from tests.harness.redis_server import RQ_KEYS
from tests.harness.reports import call_back, load
from worker.claim import Claim
from worker.sweep import sweep


def due(redis: Redis) -> dict[str, float]:
    found: list[Any] = redis.zrange(DUE, 0, -1, withscores=True)
    return {name.decode(): score for name, score in found}


def entries(redis: Redis) -> list[str]:
    queue = Queue(QUEUE_NAME, connection=redis, serializer=JSONSerializer)
    return sorted(entry.args[0] for entry in queue.jobs)


@pytest.mark.parametrize("kind", [ReportKind.PROGRESS, ReportKind.UNCLEAR, ReportKind.READY])
def test_an_unfinished_job_is_due_when_its_record_says(
    wired: Services, redis: Redis, kind: ReportKind
) -> None:
    call_back(wired.store, "job", kind=kind)
    next_check_at = load(wired.store).check.next_check_at
    assert next_check_at is not None and due(redis) == {"job": pytest.approx(next_check_at)}


@pytest.mark.parametrize("kind", [ReportKind.FAILED, ReportKind.MODERATED])
def test_an_ended_job_is_never_due(wired: Services, redis: Redis, kind: ReportKind) -> None:
    call_back(wired.store, "job", kind=ReportKind.UNCLEAR)
    call_back(wired.store, "job", kind=kind)
    assert due(redis) == {} and redis.zcard(PENDING_RESCUES) == redis.zcard(PENDING_POLLS) == 0


def test_a_job_in_hand_is_due_when_its_lease_ends(wired: Services, redis: Redis) -> None:
    call_back(wired.store, "job")
    claim = Claim.acquire(wired.store, "job")
    assert claim is not None and due(redis) == {"job": pytest.approx(claim.job.check.lease_until)}
    assert claim.job.check.lease_until == pytest.approx(wired.store.now() + LEASE_SECONDS, abs=20)
    assert redis.zcard(PENDING_RESCUES) == redis.zcard(PENDING_POLLS) == 0


def test_the_sweep_writes_the_entries_that_rq_has_lost(wired: Services, redis: Redis) -> None:
    call_back(wired.store, "one", "two")
    for key in redis.scan_iter(RQ_KEYS):
        redis.delete(key)
    sweep(wired)
    assert entries(redis) == ["one", "two"]


def test_the_sweep_writes_no_entry_that_rq_has(wired: Services, redis: Redis) -> None:
    call_back(wired.store, "job")
    sweep(wired)
    assert entries(redis) == ["job"]


def test_the_sweep_takes_over_a_job_whose_worker_has_died(wired: Services, redis: Redis) -> None:
    call_back(wired.store, "job")
    dead = Claim.acquire(wired.store, "job")
    assert dead is not None

    def a_lease_later(job: Job | None, now: float) -> Job | None:
        return job and job.with_check(lease_until=now - 1, next_check_at=now - 1)

    wired.store.update("job", a_lease_later)
    sweep(wired)
    assert wired.store.most_urgent() == "job" and "job" in entries(redis)
    assert Claim.acquire(wired.store, "job") is not None


def test_the_sweep_leaves_a_job_to_the_worker_that_has_it(wired: Services, redis: Redis) -> None:
    call_back(wired.store, "job")
    assert Claim.acquire(wired.store, "job") is not None
    redis.zadd(DUE, {"job": 1.0})
    sweep(wired)
    assert wired.store.most_urgent() is None
    assert due(redis)["job"] > wired.store.now()


def test_the_sweep_ends_what_is_past_its_deadline(wired: Services, redis: Redis) -> None:
    call_back(wired.store, "job", kind=ReportKind.PROGRESS)

    def too_late(job: Job | None, now: float) -> Job | None:
        return job and replace(job, deadline=now - 1).with_check(next_check_at=now - 1)

    wired.store.update("job", too_late)
    sweep(wired)
    assert load(wired.store).status is Status.LOST
    assert due(redis) == {}
