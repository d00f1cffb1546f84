"""The parts around Redis as `jobs.services` wires them, over a client of the test's own."""

from dataclasses import dataclass
from typing import Self

from redis import Redis

from jobs.batching import Batching
from jobs.clock import Clock
from jobs.pages import Pages
from jobs.pulse import Pulse
from jobs.queues import Hints
from jobs.refusals import Refusals
from jobs.store import Store


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
