"""The clock of Redis, by which leases and deadlines are measured."""

import time
from typing import Any

from jobs.store.redis.client import StoreClient


class Clock:
    """Redis's time, carried on by our own monotonic clock between two answers."""

    def __init__(self, redis: StoreClient) -> None:
        self._redis = redis
        self._offset: float | None = None

    def now(self) -> float:
        """Unix seconds. Raises StoreUnavailable, but only before Redis has ever answered."""
        if self._offset is None:
            self.synchronize(self._redis.time())
        return time.monotonic() + (self._offset or 0.0)

    def synchronize(self, answer: Any) -> float:
        """Set the clock by an answer to TIME; returns unix seconds."""
        now = int(answer[0]) + int(answer[1]) / 1e6
        self._offset = now - time.monotonic()
        return now
