"""Metrics of the whole installation, in Redis: counters, histograms, lengths of queues."""

from bisect import bisect_left
from collections.abc import Mapping
from enum import StrEnum
from typing import NamedTuple

from jobs.domain.status import ReportKind, Source, Status
from jobs.store import rq_queue
from jobs.store.archiving.counts import count_name_of_key
from jobs.store.redis import keys
from jobs.store.redis.client import StoreClient
from jobs.store.redis.clock import Clock
from jobs.store.search_conditions import key_facet

OVERDUE_SECONDS = 30.0  # six sweeps
# Labels in Prometheus.
NO_SOURCE = "none"  # no final report
OLD_REPORT = "old"  # a duplicate or late one


class Histogram(NamedTuple):
    """Buckets with upper bounds in seconds, and one for the seconds above the last bound."""

    name: str
    bounds: tuple[float, ...]

    def observed(self, seconds: float) -> dict[str, int]:
        """The increments for one observation; the sum is kept in milliseconds."""
        bucket = bisect_left(self.bounds, seconds)
        return {f"{self.name}_{bucket}": 1, f"{self.name}_sum_ms": round(seconds * 1000)}

    def buckets(self, counts: Mapping[str, int]) -> list[tuple[str, float]]:
        """Cumulative counts by upper bound, in Prometheus's form."""
        cumulative = 0
        buckets: list[tuple[str, float]] = []
        for number, bound in enumerate(self.bounds):
            cumulative += counts.get(f"{self.name}_{number}", 0)
            buckets.append((f"{bound:g}", float(cumulative)))
        cumulative += counts.get(f"{self.name}_{len(self.bounds)}", 0)
        buckets.append(("+Inf", float(cumulative)))
        return buckets

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
    if source is Source.CALLBACK:
        return Counter.PRICE_BY_CALLBACK
    return Counter.PRICE_BY_POLL


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
    def jobs_in_redis(self) -> int:
        """Jobs with a record in Redis."""
        return sum(self.jobs.values()) - self.archived


class Metrics:
    """Counters and lengths of queues. Raises StoreUnavailable."""

    def __init__(self, redis: StoreClient, clock: Clock, *, has_archive: bool = False) -> None:
        self._redis = redis
        self._clock = clock
        self._has_archive = has_archive

    def jobs_by_status(self, key: str | None) -> Mapping[Status, int]:
        """The jobs of an API key, or of all (None), in Redis and in the archive."""
        if key is None:
            return self.totals().jobs
        with self._redis.round_trip() as pipe:
            for status in Status:
                pipe.zcard(key_facet(key, status))
            for status in Status:
                pipe.zscore(keys.COLD, count_name_of_key(status, key))
            numbers = pipe.execute()
        numbers_in_redis = numbers[: len(Status)]
        numbers_archived = numbers[len(Status) :]
        jobs: dict[Status, int] = {}
        for status, in_redis, archived in zip(
            Status, numbers_in_redis, numbers_archived, strict=True
        ):
            jobs[status] = in_redis
            if self._has_archive:
                jobs[status] += _at_least_0(archived)
        return jobs

    def totals(self) -> Totals:
        """All counters, jobs by status, and lengths of the queues."""
        now = self._clock.now()
        with self._redis.round_trip() as pipe:
            pipe.hgetall(keys.COUNTERS)
            for status in Status:
                pipe.zcard(keys.STATUS_PREFIX + status)
            pipe.zcount(keys.DUE, "-inf", now)
            pipe.zcount(keys.DUE, "-inf", now - OVERDUE_SECONDS)
            pipe.zcard(keys.PENDING_RESCUES)
            pipe.zcard(keys.PENDING_POLLS)
            pipe.llen(rq_queue.QUEUE_KEY)
            pipe.zcard(keys.NOTIFICATIONS)
            pipe.zrange(keys.COLD, 0, -1, withscores=True)
            (
                counts,
                *jobs_in_redis,
                due,
                overdue,
                rescues,
                polls,
                rq_jobs,
                pending,
                archived_counts,
            ) = pipe.execute()
        archived_numbers = dict(archived_counts) if self._has_archive else {}
        archived_jobs = 0
        jobs: dict[Status, int] = {}
        for status, in_redis in zip(Status, jobs_in_redis, strict=True):
            archived = _at_least_0(archived_numbers.get(status.encode()))
            archived_jobs += archived
            jobs[status] = in_redis + archived
        return Totals(
            counts={name.decode(): int(value) for name, value in counts.items()},
            jobs=jobs,
            archived=archived_jobs,
            due=due,
            overdue=overdue,
            waiting=rescues + polls,
            rq_jobs=rq_jobs,
            notifications=pending,
        )


def _at_least_0(number: float | None) -> int:
    """A number of archived jobs; lost or late writes must not make it negative."""
    if number is None:
        return 0
    return max(int(number), 0)
