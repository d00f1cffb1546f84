"""Metrics of the whole installation, in Redis: counters, histograms, queue lengths, heartbeats."""

import math
from bisect import bisect_left
from collections.abc import Mapping
from enum import StrEnum
from operator import add
from typing import Any, NamedTuple

from jobs.domain.errors import StoreUnavailable
from jobs.domain.status import ReportKind, Source, Status
from jobs.store import rq_queue
from jobs.store.archiving.counts import count_name_of_key
from jobs.store.redis import keys
from jobs.store.redis.client import StoreClient
from jobs.store.redis.clock import Clock
from jobs.store.search_conditions import key_facet

TROUBLE_SECONDS = 60
OVERDUE_SECONDS = 30.0  # six sweeps
JOBS_MEASURED = 1000
# Labels in Prometheus.
NO_SOURCE = "none"  # no final report
OLD_REPORT = "old"  # a duplicate or late one


class Histogram(NamedTuple):
    """Named buckets with upper bounds in seconds; one more catches what is above them all."""

    name: str
    bounds: tuple[float, ...]

    def observed(self, seconds: float) -> dict[str, int]:
        """The increments for one observation; the sum is kept in milliseconds."""
        bucket = bisect_left(self.bounds, seconds)
        return {f"{self.name}_{bucket}": 1, f"{self.name}_sum_ms": round(seconds * 1000)}

    def buckets(self, counts: Mapping[str, int]) -> list[tuple[str, float]]:
        """Cumulative counts by upper bound, in Prometheus's form."""
        total, found = 0, []
        for n, bound in enumerate((*self.bounds, float("inf"))):
            total += counts.get(f"{self.name}_{n}", 0)
            found.append(("+Inf" if bound == float("inf") else f"{bound:g}", float(total)))
        return found

    def sum(self, counts: Mapping[str, int]) -> float:
        return counts.get(f"{self.name}_sum_ms", 0) / 1000


# Seconds that a delivery URL was still valid when its media were stored.
LIFE_LEFT = Histogram("life_left", (0, 10, 30, 60, 120, 300, 420, 540, 600, 3600))
# Seconds from BFL's report that the media are ready to the committed record.
TIME_TO_STORED = Histogram("time_to_stored", (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300))


class Counter(StrEnum):
    """Fields of the counters hash that are counted under one name."""

    POLLS = "polls"
    CALLBACK_REFUSED = "callback_refused"
    CALLBACK_UNREADABLE = "callback_unreadable"
    CALLBACK_MALFORMED = "callback_malformed"
    NOTIFICATION_DELIVERED = "notification_delivered"
    NOTIFICATION_POSTPONED = "notification_postponed"
    NOTIFICATION_GIVEN_UP = "notification_given_up"
    EVICTED = "evicted"
    PRICE_BY_CALLBACK = "price_by_callback"
    PRICE_BY_POLL = "price_by_poll"
    PRICE_NEVER = "price_never"


def report_counter(source: Source, kind: ReportKind | None) -> str:
    """The counter of BFL's reports by source and kind; None counts those that changed nothing."""
    return f"{source}_{kind or OLD_REPORT}"


def scheme_counter(scheme: str) -> str:
    """The counter of authentic callbacks by the scheme that authenticated them."""
    return f"callback_scheme_{scheme}"


def price_counter(source: Source) -> Counter:
    """The counter of settled prices by the report that told them."""
    return Counter.PRICE_BY_CALLBACK if source is Source.CALLBACK else Counter.PRICE_BY_POLL


def ended_counter(status: Status, source: Source | None) -> str:
    """The counter of jobs that ended with this status, by the source of the final report."""
    return f"ended_{status}_{source or NO_SOURCE}"


class Totals(NamedTuple):
    """Counters and queue lengths at one moment."""

    counts: Mapping[str, int]
    jobs: Mapping[Status, int]
    archived: int  # of these jobs those that only the archive has
    due: int
    overdue: int
    waiting: int  # for a worker
    rq_jobs: int  # in RQ's queue
    notifications: int  # jobs with notifications to send

    @property
    def hot(self) -> int:
        """Jobs with a record in Redis."""
        return sum(self.jobs.values()) - self.archived


class Metrics:
    """Counters, queue lengths and heartbeats. Raises StoreUnavailable."""

    def __init__(self, redis: StoreClient, clock: Clock, *, has_archive: bool = False) -> None:
        self._redis = redis
        self._clock = clock
        self._has_archive = has_archive

    def jobs_by_status(self, key: str | None) -> Mapping[Status, int]:
        """The jobs of an API key, or of all (None), in Redis and in the archive."""
        if key is None:
            return self.totals().jobs
        with self._redis.round_trip() as pipe:
            for state in Status:
                pipe.zcard(key_facet(key, state))
                pipe.zscore(keys.COLD, count_name_of_key(state, key))
            found = [max(int(number or 0), 0) for number in pipe.execute()]
        cold = found[1::2] if self._has_archive else [0] * len(Status)
        return dict(zip(Status, map(add, found[::2], cold), strict=True))

    def totals(self) -> Totals:
        """All counters, jobs by status, and lengths of the queues."""
        now = self._clock.now()
        with self._redis.round_trip() as pipe:
            pipe.hgetall(keys.COUNTERS)
            for state in Status:
                pipe.zcard(keys.STATUS_PREFIX + state)
            pipe.zcount(keys.DUE, "-inf", now)
            pipe.zcount(keys.DUE, "-inf", now - OVERDUE_SECONDS)
            pipe.zcard(keys.PENDING_RESCUES)
            pipe.zcard(keys.PENDING_POLLS)
            pipe.llen(rq_queue.QUEUE_KEY)
            pipe.zcard(keys.NOTIFICATIONS)
            pipe.zrange(keys.COLD, 0, -1, withscores=True)
            counts, *hot, due, overdue, rescues, polls, rq_jobs, pending, cold = pipe.execute()
        found = {name.decode(): int(number) for name, number in cold} if self._has_archive else {}
        archived = [max(found.get(status, 0), 0) for status in Status]
        return Totals(
            counts={name.decode(): int(value) for name, value in counts.items()},
            jobs=dict(zip(Status, map(add, hot, archived), strict=True)),
            archived=sum(archived),
            due=due,
            overdue=overdue,
            waiting=rescues + polls,
            rq_jobs=rq_jobs,
            notifications=pending,
        )

    def worker_keys(self) -> list[str]:
        """RQ's keys of the registered workers whose heartbeat has not expired, sorted."""
        found = sorted(self._redis.smembers(rq_queue.WORKERS_KEY))
        return [key.decode() for key in found if self._redis.exists(key)]

    def report_problem(self, part: str, reason: str) -> None:
        """Store why a component failed, for readiness; it expires after a minute."""
        self._redis.write_essential(
            ("SET", keys.PROBLEM_PREFIX + part, reason, "EX", TROUBLE_SECONDS)
        )

    def problem(self, part: str) -> str | None:
        reason = self._redis.get(keys.PROBLEM_PREFIX + part)
        return reason.decode() if reason else None

    def record_heartbeat(self, process: str) -> None:
        """Store the time as the last heartbeat of a kind of process."""
        self._redis.write_essential(("HSET", keys.HEARTBEATS, process, self._clock.now()))

    def heartbeat_ages(self) -> dict[str, float]:
        """Seconds since the last heartbeat, by kind of process."""
        beats = self._redis.hgetall(keys.HEARTBEATS)
        now = self._clock.synchronize(self._redis.time())
        return {name.decode(): now - float(at) for name, at in beats.items()}

    def ping(self) -> None:
        self._redis.ping()

    def write_test_key(self) -> None:
        """Raises StoreUnavailable also while Redis answers and is full, or takes no writes."""
        self._redis.set(keys.BARRIER, "")

    def info(self) -> dict[str, Any]:
        """Answer to INFO; empty where a provider forbids it."""
        try:
            return dict(self._redis.info())
        except StoreUnavailable:
            return {}

    def bytes_per_job(self, totals: Totals) -> float | None:
        """Memory of Redis for each job there; None for few jobs: other data would count more."""
        if totals.hot < JOBS_MEASURED:
            return None
        return float(self.info().get("used_memory_dataset", 0) / totals.hot)

    def memory_used_ratio(self) -> float:
        """Share of maxmemory in use; 0 without a limit, or where a provider forbids INFO."""
        info = self.info()
        # Buffers of the append-only file and of replicas do not count against the limit.
        used = info.get("used_memory", 0) - info.get("mem_not_counted_for_evict", 0)
        return float(used / (info.get("maxmemory") or math.inf))
