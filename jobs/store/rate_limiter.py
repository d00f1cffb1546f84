"""Rate limiter in Redis (GCRA), shared by all web processes."""

from typing import NamedTuple

from jobs.config.quotas import RateLimit
from jobs.store.redis import scripts
from jobs.store.redis.keys import KNOWN_CLIENT_PREFIX, RATE_PREFIX, WRONG_KEYS_PREFIX
from jobs.store.redis.script_pipeline import ScriptPipeline

# Per address: more than a person mistypes, too few to find a key by guessing.
WRONG_KEYS_MAX = RateLimit(30, 60)
KNOWN_CLIENT_SECONDS = 7 * 86400
NO_QUOTA = RateLimit(0, 0)


class RateStatus(NamedTuple):
    """Seconds to wait before the next request (0: admitted)."""

    retry_after_seconds: float
    is_blocked_address: bool  # the wait is for wrong keys, and not for too many requests


class RateLimiter:
    """Limits requests by API key and wrong keys by address. Raises StoreUnavailable."""

    def __init__(self, pipeline: ScriptPipeline) -> None:
        self._pipeline = pipeline
        self._admit = pipeline.client.register_script(scripts.read("admit_request"))
        self._wrong_key = pipeline.client.register_script(scripts.read("record_wrong_key"))

    def admit(self, name: str, quota: RateLimit | None, address: str) -> RateStatus:
        """Take one request from a key's quota, unless its address sent too many wrong keys.

        A client that used this key from the same address within a week is not blocked.
        """
        rate = quota or NO_QUOTA
        keys = [
            rate_key(name, rate),
            WRONG_KEYS_PREFIX + address,
            f"{KNOWN_CLIENT_PREFIX}{address} {name}",
        ]
        wait, is_blocked = self._pipeline.run(
            self._admit, keys, [*rate, *WRONG_KEYS_MAX, KNOWN_CLIENT_SECONDS]
        )
        return RateStatus(float(wait), bool(is_blocked))

    def record_wrong_key(self, address: str) -> RateStatus:
        """Count an API key that does not exist."""
        wait = self._pipeline.run(self._wrong_key, [WRONG_KEYS_PREFIX + address], WRONG_KEYS_MAX)
        return RateStatus(float(wait), is_blocked_address=True)


def rate_key(name: str, quota: RateLimit) -> str:
    """The Redis key of a quota; a changed quota starts anew."""
    return f"{RATE_PREFIX}{quota.requests}/{quota.seconds}:{name}"
