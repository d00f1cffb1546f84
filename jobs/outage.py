"""Whether Redis serves us: told once when it stops and once when it does again."""

import logging
import time
from collections.abc import Callable
from typing import Any

from redis.retry import Retry

log = logging.getLogger(__name__)


class _Outage:
    def __init__(self) -> None:
        self.since: float | None = None

    def goes_on(self, error: Exception) -> None:
        if self.since is None:
            self.since = time.monotonic()
            log.warning("Redis does not serve us: %s", type(error).__name__)

    def is_over(self) -> None:
        if self.since is not None:
            log.warning("Redis serves us again, after %.0f s", time.monotonic() - self.since)
            self.since = None


outage = _Outage()


class TellingRetry(Retry):
    """redis-py's retry, which would try for a minute without a word."""

    def call_with_retry(
        self, do: Callable[[], Any], fail: Callable[..., Any], *args: Any, **options: Any
    ) -> Any:
        def told(error: Exception, *more: Any) -> Any:
            outage.goes_on(error)
            return fail(error, *more)

        answer = super().call_with_retry(do, told, *args, **options)
        outage.is_over()
        return answer
