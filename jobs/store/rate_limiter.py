"""Rate limiter in Redis (GCRA): limits hold over any number of web processes."""

from typing import Any, NamedTuple

from jobs.config.rate_limits import RateLimit
from jobs.store import scripts
from jobs.store.batching import Batching
from jobs.store.clock import unavailable
from jobs.store.counters import Turned
from jobs.store.keys import COUNTERS, KNOWN_CLIENT_PREFIX, RATE_PREFIX, WRONG_KEYS_PREFIX

# Wrong keys from one address: more than a person types, too few to find a key.
WRONG_KEYS_MAX = RateLimit(30, 60)
KNOWN_CLIENT_SECONDS = 7 * 86400
NO_QUOTA = RateLimit(0, 0)


class RateStatus(NamedTuple):
    """Requests that remain, and seconds to wait before the next (0: admitted)."""

    remaining: int
    reset_seconds: float  # until the whole quota is back
    retry_after_seconds: float
    is_blocked_address: bool = False  # the wait is for wrong keys, and not for too many requests


class RateLimiter:
    """One round trip for each call. All methods raise StoreUnavailable."""

    def __init__(self, batching: Batching) -> None:
        self._batching = batching
        self._admit = batching.redis.register_script(scripts.ADMIT_REQUEST)
        self._wrong_key = batching.redis.register_script(scripts.RECORD_WRONG_KEY)

    def admit(self, name: str, quota: RateLimit | None, address: str) -> RateStatus:
        """Take one request from the quota of a key, unless its address is blocked for wrong keys.

        An address from which this key was used within KNOWN_CLIENT_SECONDS is not blocked for it.
        """
        rate = quota or NO_QUOTA
        keys = [
            used(name, rate),
            WRONG_KEYS_PREFIX + address,
            f"{KNOWN_CLIENT_PREFIX}{address} {name}",
            COUNTERS,
        ]
        args: list[Any] = [*rate, *WRONG_KEYS_MAX, KNOWN_CLIENT_SECONDS]
        args += [Turned.GUESSER, Turned.OVER_RATE]
        with unavailable():
            return _reading(*self._batching.run(self._admit, keys, args))

    def record_wrong_key(self, address: str) -> RateStatus:
        """Count an unknown key against an address."""
        keys, args = [WRONG_KEYS_PREFIX + address, COUNTERS], [*WRONG_KEYS_MAX, Turned.WRONG_KEY]
        with unavailable():
            return _reading(*self._batching.run(self._wrong_key, keys, args))


def used(name: str, quota: RateLimit) -> str:
    """Redis key of a key's usage; a changed rate limit starts with a full quota."""
    return f"{RATE_PREFIX}{quota.requests}/{quota.seconds}:{name}"


def _reading(left: int, reset_seconds: bytes, wait: bytes, guesses: int = 1) -> RateStatus:
    return RateStatus(left, float(reset_seconds), float(wait), bool(guesses))
