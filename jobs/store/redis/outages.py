"""Outages of Redis: its errors become StoreUnavailable, and the log tells of each outage once.

The log has one line when an outage begins, and one when it ends; one a minute while Redis answers
and refuses writes, for example because it is full.
"""

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from redis.exceptions import RedisError, ResponseError
from redis.retry import Retry

from jobs.domain.errors import StoreUnavailable
from jobs.store.redis.write_durability import NotDurable

REFUSAL_LOG_SECONDS = 60.0

log = logging.getLogger(__name__)


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


class _Outage:
    def __init__(self) -> None:
        self._since: float | None = None
        self._silent_until = 0.0

    def begin(self, error: Exception) -> None:
        if isinstance(error, ResponseError):
            if time.monotonic() >= self._silent_until:
                self._silent_until = time.monotonic() + REFUSAL_LOG_SECONDS
                log.warning("Redis refuses a command: %s", type(error).__name__)
        elif self._since is None:
            self._since = time.monotonic()
            log.warning("Redis is unavailable: %s", type(error).__name__)

    def end(self) -> None:
        if self._since is not None:
            log.warning("Redis is available again, after %.0f s", time.monotonic() - self._since)
            self._since = None


outage = _Outage()


class LoggedRetry(Retry):
    """redis-py's retry, which would try for a minute without a line in the log.

    What it returns ends no outage: redis-py calls a connection made, and a command sent, while
    nobody answers. The connection notices answers (`connection.py`).
    """

    def call_with_retry(
        self, do: Callable[[], Any], fail: Callable[..., Any], *args: Any, **options: Any
    ) -> Any:
        def logged(error: Exception, *details: Any) -> Any:
            outage.begin(error)
            return fail(error, *details)

        return super().call_with_retry(do, logged, *args, **options)
