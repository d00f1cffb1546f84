"""The parts around Redis as `jobs.services` wires them, over a client of the test's own."""

from dataclasses import dataclass
from typing import Self

from redis import Redis

from jobs.config.quotas import ConcurrencyLimits, QueueCapacity
from jobs.store.clock import Clock
from jobs.store.job_store import JobStore
from jobs.store.listing import JobListing
from jobs.store.metrics import Metrics
from jobs.store.refused_callbacks import RefusedCallbacks
from jobs.store.rq_queue import RqQueue
from jobs.store.script_pipeline import ScriptPipeline


@dataclass(frozen=True)
class Parts:
    """Everything that talks to Redis in one process."""

    store: JobStore
    listing: JobListing
    metrics: Metrics
    refused_callbacks: RefusedCallbacks

    @classmethod
    def over(cls, redis: Redis) -> Self:
        clock = Clock(redis)
        rq_queue, pipeline = RqQueue(), ScriptPipeline(redis)
        limits, room = ConcurrencyLimits(), QueueCapacity()
        store = JobStore(pipeline, rq_queue, clock, limits, room)
        metrics = Metrics(redis, clock, rq_queue)
        return cls(store, JobListing(redis), metrics, RefusedCallbacks(pipeline))
