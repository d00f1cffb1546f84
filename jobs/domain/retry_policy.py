"""Retry policy: when a failed attempt is repeated. Every retry in Fluxkeep follows one."""

import math
import random
from dataclasses import dataclass

EXPONENT_MAX = 64  # any pause has reached its bound; a larger exponent would overflow


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryPolicy:
    """Exponential backoff with a bound, jitter, the other side's Retry-After, and an end.

    The pause after a failure, where `n` failures came before it:

        pause = min(first * growth ** n, longest)         or promised[n]; the last one repeats
        pause = pause * jitter factor                     from 1 - jitter to 1 + jitter
        pause = max(pause, min(Retry-After, retry_after_max))

    The next attempt is at min(now + pause, until). There is none once `until` has passed, for
    example the end of a URL's life, nor after `retries_max` retries.
    """

    first_seconds: float
    longest_seconds: float
    growth: float = 1.6
    jitter: float = 0.2
    retry_after_max_seconds: float = 3600.0
    retries_max: int | None = None
    # Pauses that the documentation names one by one, in place of the exponential ones.
    promised_seconds: tuple[float, ...] = ()

    @classmethod
    def promising(
        cls, *seconds: float, jitter: float = 0.0, retries_max: int | None = None
    ) -> "RetryPolicy":
        """A policy whose pauses are documented one by one."""
        return cls(
            first_seconds=seconds[0],
            longest_seconds=max(seconds),
            jitter=jitter,
            retries_max=retries_max,
            promised_seconds=seconds,
        )

    def draw_jitter_factor(self) -> float:
        """A random factor, so that what failed together is not repeated together.

        The pure steps of a record get it as an argument.
        """
        least = 1 - self.jitter
        most = 1 + self.jitter
        return random.uniform(least, most)  # noqa: S311 - no secret depends on it

    def pause_seconds(
        self, earlier_failures: int, *, jitter_factor: float = 1.0, retry_after: float = 0.0
    ) -> float:
        """Seconds until the next attempt."""
        pause = self._planned_pause(earlier_failures) * jitter_factor
        requested_pause = min(retry_after, self.retry_after_max_seconds)
        return max(pause, requested_pause)

    def next_attempt_at(
        self,
        now: float,
        earlier_failures: int,
        *,
        until: float = math.inf,
        jitter_factor: float = 1.0,
        retry_after: float = 0.0,
    ) -> float | None:
        """Time of the next attempt; None when there is none."""
        if now >= until:
            return None
        if self.retries_max is not None and earlier_failures >= self.retries_max:
            return None
        pause = self.pause_seconds(
            earlier_failures, jitter_factor=jitter_factor, retry_after=retry_after
        )
        return min(now + pause, until)

    def _planned_pause(self, earlier_failures: int) -> float:
        if self.promised_seconds:
            last = len(self.promised_seconds) - 1
            return self.promised_seconds[min(earlier_failures, last)]
        exponent = min(earlier_failures, EXPONENT_MAX)
        return min(self.first_seconds * self.growth**exponent, self.longest_seconds)
