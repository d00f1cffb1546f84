"""Pauses of redis-py's retries by our own retry policy."""

from redis.backoff import AbstractBackoff

from jobs.domain.retry_policy import RetryPolicy


class PolicyBackoff(AbstractBackoff):
    """The backoff that redis-py asks after each failure of a command."""

    def __init__(self, policy: RetryPolicy) -> None:
        self._policy = policy

    def compute(self, failures: int) -> float:
        """Seconds until the next attempt; redis-py counts the failure that it asks about."""
        earlier_failures = failures - 1
        jitter_factor = self._policy.draw_jitter_factor()
        return self._policy.pause_seconds(earlier_failures, jitter_factor=jitter_factor)
