"""The clock of Redis, by which leases and deadlines are measured."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from redis import Redis
from redis.exceptions import RedisError

from jobs.errors import StoreUnavailable
from jobs.store.durability import NotDurable
from jobs.store.outage import outage


class Clock:
    """Redis's time, carried on by our own monotonic clock between two answers."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._offset: float | None = None

    def now(self) -> float:
        """Unix seconds. Raises StoreUnavailable, but only before Redis has ever answered."""
        if self._offset is None:
            with unavailable():
                self.synchronize(self._redis.time())
        return time.monotonic() + (self._offset or 0.0)

    def synchronize(self, answer: Any) -> float:
        """Set the clock by an answer to TIME; returns unix seconds."""
        now = int(answer[0]) + int(answer[1]) / 1e6
        self._offset = now - time.monotonic()
        return now


@contextmanager
def unavailable() -> Iterator[None]:
    """Turn a RedisError, whose message names the host, into StoreUnavailable."""
    try:
        yield
    except NotDurable:
        raise StoreUnavailable("Redis: what was written is not durable yet") from None
    except RedisError as error:
        outage.begin(error)
        raise StoreUnavailable(f"Redis: {type(error).__name__}") from None
