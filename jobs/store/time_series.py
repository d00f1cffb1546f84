"""Time series of the counters: one sample a minute, for an hour."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from redis import Redis

from jobs.store.clock import Clock, unavailable
from jobs.store.keys import COUNTERS, TIME_SERIES

MINUTE_SECONDS = 60
SAMPLES_MAX = 60


class Sample(NamedTuple):
    """The counters when a minute began (unix seconds), or a few seconds later."""

    at: float
    counts: Mapping[str, int]

    def total(self, names: Iterable[str]) -> int:
        return sum(self.counts.get(name, 0) for name in names)


@dataclass(frozen=True, slots=True)
class Series:
    """Samples of the last hour, oldest first; the last one is of this moment."""

    samples: tuple[Sample, ...]

    @property
    def now(self) -> Sample:
        return self.samples[-1]

    def per_minute(self, names: Iterable[str]) -> list[float]:
        """The increase of these counters in each of the last 60 minutes, oldest first.

        An increase during a time without samples is spread evenly over that time.
        """
        counters = tuple(names)
        this = _minute(self.now.at)
        found = [0.0] * SAMPLES_MAX
        for before, after in zip(self.samples, self.samples[1:], strict=False):
            first, end = _minute(before.at), max(_minute(after.at), _minute(before.at) + 1)
            risen = _rise(before.total(counters), after.total(counters))
            for minute in range(first, end):
                if 0 <= this - minute < SAMPLES_MAX:
                    found[minute - this - 1] += risen / (end - first)
        return found

    def increases(self) -> dict[str, int]:
        """The increase of each counter within the hour."""
        first, now = self.samples[0], self.now
        return {name: _rise(first.counts.get(name, 0), n) for name, n in now.counts.items()}


def _minute(at: float) -> int:
    return int(at // MINUTE_SECONDS)


def _rise(before: int, after: int) -> int:
    """The increase; a counter only falls when Redis lost it and it started again from 0."""
    return after - before if after >= before else after


class TimeSeries:
    """Samples of the counters. Raises StoreUnavailable."""

    def __init__(self, redis: Redis, clock: Clock) -> None:
        self._redis: Any = redis  # its types leave open whether replies are bytes
        self._clock = clock

    def sample(self) -> Sample:
        """Read all counters, and store them if this minute has no sample yet."""
        now = self._clock.now()
        minute = now - now % MINUTE_SECONDS
        with unavailable(), self._redis.pipeline() as pipe:
            pipe.hgetall(COUNTERS)
            pipe.zcount(TIME_SERIES, minute, "+inf")
            counters, is_stored = pipe.execute()
            counts = {name.decode(): int(value) for name, value in counters.items()}
            if not is_stored:  # two processes may store one each, which does no harm
                pipe.zadd(TIME_SERIES, {json.dumps([minute, counts]): minute})
                pipe.zremrangebyscore(TIME_SERIES, "-inf", minute - SAMPLES_MAX * MINUTE_SECONDS)
                pipe.execute()
        return Sample(now, counts)

    def last_hour(self) -> Series:
        """The samples of the last hour, and one of now."""
        latest = self.sample()
        with unavailable():
            stored = self._redis.zrange(TIME_SERIES, 0, -1)
        return Series((*(Sample(*json.loads(one)) for one in stored), latest))
