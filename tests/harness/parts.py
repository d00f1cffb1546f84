"""The parts around Redis as `jobs.services` wires them, over a client of the test's own."""

from dataclasses import dataclass
from typing import Self

from redis import Redis

from jobs.store.batching import Batching
from jobs.store.clock import Clock
from jobs.store.job_store import Store
from jobs.store.listing import Pages
from jobs.store.metrics import Pulse
from jobs.store.refused_callbacks import Refusals
from jobs.store.rq_entries import Hints


@dataclass(frozen=True)
class Parts:
    """Everything that talks to Redis in one process."""

    store: Store
    pages: Pages
    pulse: Pulse
    refusals: Refusals

    @classmethod
    def over(cls, redis: Redis) -> Self:
        clock = Clock(redis)
        hints, batching = Hints(redis), Batching(redis)
        store, pulse = Store(batching, hints, clock), Pulse(redis, clock, hints)
        return cls(store, Pages(redis), pulse, Refusals(batching))
