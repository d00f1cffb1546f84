"""The histograms both processes agree on, written down as plain counters in Redis."""

from bisect import bisect_left
from collections.abc import Mapping
from typing import NamedTuple


class Histogram(NamedTuple):
    """Named buckets with upper bounds in seconds; one more catches what is above them all."""

    name: str
    bounds: tuple[float, ...]

    def observed(self, seconds: float) -> dict[str, int]:
        """The increments for one observation; the sum is kept in milliseconds."""
        bucket = bisect_left(self.bounds, seconds)
        return {f"{self.name}_{bucket}": 1, f"{self.name}_sum_ms": round(seconds * 1000)}

    def buckets(self, counts: Mapping[str, int]) -> list[tuple[str, float]]:
        """Cumulative counts by upper bound, as Prometheus wants them."""
        total, found = 0, []
        for n, bound in enumerate((*self.bounds, float("inf"))):
            total += counts.get(f"{self.name}_{n}", 0)
            found.append(("+Inf" if bound == float("inf") else f"{bound:g}", float(total)))
        return found

    def sum(self, counts: Mapping[str, int]) -> float:
        return counts.get(f"{self.name}_sum_ms", 0) / 1000


# How close it was: what a URL still had to live when its media were ours.
LIFE_LEFT = Histogram("life_left", (0, 10, 30, 60, 120, 300, 420, 540, 600, 3600))
# How quick it was: from BFL's word that the media are ready to the committed record.
TIME_TO_STORED = Histogram("time_to_stored", (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300))
