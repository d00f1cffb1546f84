"""The store against a real Redis: races, round trips, pages."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from redis import Connection, ConnectionPool, Redis

from jobs.config.quotas import ConcurrencyLimits
from jobs.domain.job import Job
from jobs.domain.status import ReportKind, Status
from jobs.domain.submission import create
from jobs.services import Services
from jobs.store.job_store import JobStore
from jobs.store.listing import EXPIRING_READ_MAX
from jobs.store.redis.client import StoreClient
from jobs.store.redis.clock import Clock
from jobs.store.redis.keys import RECORD_PREFIX
from jobs.store.search_conditions import Search
from jobs.store.submission_queue import ModelQueue, SubmissionQueue
from tests.harness import RedisServer
from tests.harness.parts import services_over
from tests.harness.reports import TIMEOUTS, call_back
from worker.claim import ClaimLost, HeldClaim


class CountingConnection(Connection):
    """A real connection that counts how often something is sent: one round trip each."""

    sent = 0

    def send_packed_command(self, command: Any, check_health: bool = True) -> None:
        type(self).sent += 1
        super().send_packed_command(command, check_health)  # type: ignore[no-untyped-call]


def test_a_step_that_changes_nothing_writes_nothing(store: JobStore, redis: Redis) -> None:
    call_back(store, "job")
    before = redis.get(RECORD_PREFIX + "job")
    assert not store.update("job", lambda job, _now: job).written
    assert redis.get(RECORD_PREFIX + "job") == before


def test_a_claim_on_a_deleted_job_is_not_good_for_its_namesake(store: JobStore) -> None:
    call_back(store, "job")
    old = HeldClaim.acquire(store, "job")
    assert old
    store.delete(old.job)
    store.update("job", lambda _job, now: Job.awaited("job", now, TIMEOUTS), assumes_new=True)
    call_back(store, "job")
    new = HeldClaim.acquire(store, "job")
    assert new
    with pytest.raises(ClaimLost):
        old.commit(Job.leased)


@pytest.fixture
def a_counted_store(redis_server: RedisServer) -> Iterator[JobStore]:
    """Warm: its scripts are loaded and it has heard the clock."""
    pool = ConnectionPool.from_url(redis_server.url, connection_class=CountingConnection)
    with Redis(connection_pool=pool) as client:
        store = services_over(client).store
        call_back(store, "warm", "warm")
        CountingConnection.sent = 0
        yield store
    pool.disconnect()


def test_a_fresh_callback_costs_one_round_trip(a_counted_store: JobStore) -> None:
    call_back(a_counted_store, "job")
    assert CountingConnection.sent == 1


@pytest.mark.parametrize("second", [ReportKind.READY, ReportKind.FAILED, ReportKind.PROGRESS])
@pytest.mark.parametrize("first", [ReportKind.PROGRESS, ReportKind.READY, ReportKind.FAILED])
def test_a_callback_for_a_known_job_costs_two_round_trips(
    a_counted_store: JobStore, first: ReportKind, second: ReportKind
) -> None:
    call_back(a_counted_store, "job", kind=first)
    CountingConnection.sent = 0
    call_back(a_counted_store, "job", kind=second)
    assert CountingConnection.sent <= 2


def at_risk(redis: Redis, limit: int = 10) -> list[str]:
    return [job.id for job in services_over(redis).listing.expiring(limit)]


def test_the_job_whose_url_dies_first_is_named_first(store: JobStore, redis: Redis) -> None:
    for name, life in {"calm": 500, "urgent": 5, "dead": -20, "middle": 90}.items():
        call_back(store, name, life=life)
    store.change("middle", Job.claimed)
    assert at_risk(redis) == ["dead", "urgent", "middle", "calm"], "also what a worker is at"
    assert at_risk(redis, 2) == ["dead", "urgent"]


def test_the_most_urgent_is_found_among_very_many(store: JobStore, redis: Redis) -> None:
    count = 3 * EXPIRING_READ_MAX
    for n in range(count):
        call_back(store, f"job-{n}", life=400 - n)
    assert at_risk(redis, 2) == [f"job-{count - 1}", f"job-{count - 2}"]


def test_jobs_that_wait_for_a_slot_are_counted_by_model(store: JobStore, redis: Redis) -> None:
    for job_id, model in {"a": "flux-dev", "b": "flux-dev", "c": "flux-tools/vto-v2"}.items():
        job = create(job_id, model, store.now())
        store.update(job_id, lambda _job, _now, job=job: job)  # type: ignore[misc]
    limits = ConcurrencyLimits(4, {"flux-dev": 2, "flux-3-video": 1})
    client = StoreClient(redis)
    slot_usage = SubmissionQueue(client, Clock(client), limits, 1).slot_usage()
    assert slot_usage.waiting == 3
    assert (slot_usage.used, slot_usage.most) == (0, 4)
    assert slot_usage.models == [
        ModelQueue("flux-3-video", 0, 1, 0),
        ModelQueue("flux-dev", 0, 2, 2),
        ModelQueue("flux-tools/vto-v2", 0, 4, 1),
    ]


def born(store: JobStore, job_id: str, at: float, state: Status = Status.SUBMITTED) -> None:
    """A job with a given time of creation."""
    job = replace(Job.awaited(job_id, at, TIMEOUTS), status=state)
    store.update(job_id, lambda _job, _now: job, assumes_new=True)


def pages(services: Services, limit: int, meanwhile: int = 0) -> list[list[str]]:
    """All pages, newest first; between two of them `meanwhile` jobs arrive."""
    found: list[list[str]] = []
    position = None
    while True:
        page = services.listing.page(Search(), limit, position)
        jobs, position = page.jobs, page.last
        found.append([job.id for job in jobs])
        if position is None:
            return found
        call_back(services.store, *(f"new-{len(found)}-{n}" for n in range(meanwhile)))


def test_pages_stay_where_they_are_while_jobs_arrive(services: Services) -> None:
    for n in range(20):
        born(services.store, f"job-{n:02}", 1_700_000_000.0 + n)
    found = [job_id for page in pages(services, 6, meanwhile=3) for job_id in page]
    assert found == [f"job-{n:02}" for n in reversed(range(20))]
