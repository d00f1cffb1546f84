"""Counters and histograms in Redis, shared by all processes."""

from bisect import bisect_left
from collections.abc import Mapping
from enum import StrEnum
from typing import NamedTuple

from jobs.status import ReportKind, Source, Status

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


def report_counter(source: Source, kind: ReportKind | None) -> str:
    """The counter of BFL's reports by source and kind; None counts those that changed nothing."""
    return f"{source}_{kind or OLD_REPORT}"


def ended_counter(status: Status, source: Source | None) -> str:
    """The counter of jobs that ended with this status, by the source of the final report."""
    return f"ended_{status}_{source or NO_SOURCE}"
