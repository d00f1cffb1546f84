"""Redis outages in the log: one line when one begins, one when it ends."""

import logging
import time
from collections.abc import Callable
from typing import Any

from redis.retry import Retry

log = logging.getLogger(__name__)


class _Outage:
    def __init__(self) -> None:
        self._since: float | None = None

    def begin(self, error: Exception) -> None:
        if self._since is None:
            self._since = time.monotonic()
            log.warning("Redis is unavailable: %s", type(error).__name__)

    def end(self) -> None:
        if self._since is not None:
            log.warning("Redis is available again, after %.0f s", time.monotonic() - self._since)
            self._since = None


outage = _Outage()


class LoggedRetry(Retry):
    """redis-py's retry, which would try for a minute without a line in the log."""

    def call_with_retry(
        self, do: Callable[[], Any], fail: Callable[..., Any], *args: Any, **options: Any
    ) -> Any:
        def logged(error: Exception, *more: Any) -> Any:
            outage.begin(error)
            return fail(error, *more)

        answer = super().call_with_retry(do, logged, *args, **options)
        outage.end()
        return answer
