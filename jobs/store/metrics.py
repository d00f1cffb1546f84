"""Counters, queue lengths and heartbeats of the whole installation."""

from collections.abc import Mapping
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
)
from jobs.store.rq_queue import RqQueue

TROUBLE_SECONDS = 60
OVERDUE_SECONDS = 30.0  # six sweeps


class Totals(NamedTuple):
    """Counters and queue lengths at one moment."""

    counts: Mapping[str, int]
    jobs: Mapping[Status, int]
    due: int
    overdue: int
    waiting: int  # for a worker
    rq_jobs: int  # in RQ's queue
    notifications: int  # jobs with notifications to send


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
            counts={name.decode(): int(value) for name, value in counts.items()},
            jobs=dict(zip(Status, jobs, strict=True)),
            due=due,
            overdue=overdue,
            waiting=rescues + polls,
            rq_jobs=rq_jobs,
            notifications=notifications,
        )

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
