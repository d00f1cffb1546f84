"""Counters, their time series, queue lengths and heartbeats of the whole installation."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from redis import Redis

from jobs.status import Status
from jobs.store.clock import Clock, unavailable
from jobs.store.keys import (
    COUNTERS,
    DUE,
    HEARTBEATS,
    NOTIFICATIONS,
    PENDING_POLLS,
    PENDING_RESCUES,
    PROBLEM_PREFIX,
    STATUS_PREFIX,
    TIME_SERIES,
)
from jobs.store.rq_queue import RqQueue

TROUBLE_SECONDS = 60
OVERDUE_SECONDS = 30.0  # six sweeps
MINUTE_SECONDS = 60
SAMPLES_MAX = 60  # one a minute


class Totals(NamedTuple):
    """Counters and queue lengths at one moment."""

    counts: Mapping[str, int]
    jobs: Mapping[Status, int]
    due: int
    overdue: int
    waiting: int  # for a worker
    rq_jobs: int  # in RQ's queue
    notifications: int  # jobs with notifications to send


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


def _minute(at: float) -> int:
    return int(at // MINUTE_SECONDS)


def _rise(before: int, after: int) -> int:
    """The increase; a counter only falls when Redis lost it and it started again from 0."""
    return after - before if after >= before else after


class Metrics:
    """Counters, queue lengths and heartbeats. Raises StoreUnavailable."""

    def __init__(self, redis: Redis, clock: Clock, rq_queue: RqQueue) -> None:
        self._redis: Any = redis  # its types leave open whether replies are bytes
        self._clock = clock
        self._rq_queue = rq_queue

    def totals(self) -> Totals:
        """All counters, jobs by status, and lengths of the queues."""
        now = self._clock.now()
        with unavailable(), self._redis.pipeline() as pipe:
            pipe.hgetall(COUNTERS)
            for state in Status:
                pipe.zcard(STATUS_PREFIX + state)
            pipe.zcount(DUE, "-inf", now)
            pipe.zcount(DUE, "-inf", now - OVERDUE_SECONDS)
            pipe.zcard(PENDING_RESCUES)
            pipe.zcard(PENDING_POLLS)
            pipe.llen(self._rq_queue.queue_key)
            pipe.zcard(NOTIFICATIONS)
            counts, *jobs, due, overdue, rescues, polls, rq_jobs, notifications = pipe.execute()
        return Totals(
            counts=_decoded(counts),
            jobs=dict(zip(Status, jobs, strict=True)),
            due=due,
            overdue=overdue,
            waiting=rescues + polls,
            rq_jobs=rq_jobs,
            notifications=notifications,
        )

    def sample(self) -> Sample:
        """Read all counters, and store them if this minute has no sample yet."""
        now = self._clock.now()
        minute = now - now % MINUTE_SECONDS
        with unavailable(), self._redis.pipeline() as pipe:
            pipe.hgetall(COUNTERS)
            pipe.zcount(TIME_SERIES, minute, "+inf")
            counters, is_stored = pipe.execute()
            counts = _decoded(counters)
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

    def worker_keys(self) -> list[str]:
        """RQ's keys of the registered workers whose heartbeat has not expired, sorted."""
        with unavailable():
            keys = sorted(self._redis.smembers(self._rq_queue.workers_key))
            return [key.decode() for key in keys if self._redis.exists(key)]

    def report_problem(self, part: str, reason: str) -> None:
        """Store why a component failed, for readiness; it expires after a minute."""
        with unavailable():
            self._redis.set(PROBLEM_PREFIX + part, reason, ex=TROUBLE_SECONDS)

    def problem(self, part: str) -> str | None:
        with unavailable():
            reason = self._redis.get(PROBLEM_PREFIX + part)
        return reason.decode() if reason else None

    def record_heartbeat(self, process: str, at: float | None = None) -> None:
        """Store the heartbeat of a kind of process; `at` is in unix seconds."""
        with unavailable():
            self._redis.hset(HEARTBEATS, process, str(at or self._clock.now()))

    def heartbeat_ages(self) -> dict[str, float]:
        """Seconds since the last heartbeat, by kind of process."""
        with unavailable():
            beats = self._redis.hgetall(HEARTBEATS)
            now = self._clock.synchronize(self._redis.time())
        return {name.decode(): now - float(at) for name, at in beats.items()}

    def ping(self) -> None:
        with unavailable():
            self._redis.ping()


def _decoded(counters: Mapping[bytes, bytes]) -> dict[str, int]:
    return {name.decode(): int(value) for name, value in counters.items()}
