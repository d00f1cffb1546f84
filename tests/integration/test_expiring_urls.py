"""Jobs whose URLs expire soon, and the number of jobs waiting for a slot."""

from redis import Redis

from jobs.config.quotas import ConcurrencyLimits
from jobs.domain.job import Job
from jobs.domain.submission import create
from jobs.store.job_store import JobStore
from jobs.store.listing import EXPIRING_READ_MAX
from jobs.store.redis.client import StoreClient
from jobs.store.redis.clock import Clock
from jobs.store.submission_queue import ModelQueue, SubmissionQueue
from tests.harness.parts import services_over
from tests.harness.reports import call_back


def enqueue_submission(store: JobStore, job_id: str, model: str) -> None:
    store.update(job_id, lambda _, now: create(job_id, model, now))


def at_risk(redis: Redis, limit: int = 10) -> list[str]:
    return [job.id for job in services_over(redis).listing.expiring(limit)]


def test_the_job_whose_url_dies_first_is_named_first(store: JobStore, redis: Redis) -> None:
    for name, life in {"calm": 500, "urgent": 5, "dead": -20, "middle": 90}.items():
        call_back(store, name, life=life)
    assert at_risk(redis) == ["dead", "urgent", "middle", "calm"]
    assert at_risk(redis, 2) == ["dead", "urgent"]


def test_a_job_that_a_worker_is_at_is_at_risk_as_well(store: JobStore, redis: Redis) -> None:
    call_back(store, "in hand", life=5)
    store.change("in hand", Job.claimed)
    assert at_risk(redis) == ["in hand"]


def test_the_most_urgent_is_found_among_very_many(store: JobStore, redis: Redis) -> None:
    count = 3 * EXPIRING_READ_MAX
    for n in range(count):
        call_back(store, f"job-{n}", life=400 - n)
    assert at_risk(redis, 2) == [f"job-{count - 1}", f"job-{count - 2}"]


def test_jobs_that_wait_for_a_slot_are_counted_by_model(store: JobStore, redis: Redis) -> None:
    for job_id, model in {"a": "flux-dev", "b": "flux-dev", "c": "flux-tools/vto-v2"}.items():
        enqueue_submission(store, job_id, model)
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
