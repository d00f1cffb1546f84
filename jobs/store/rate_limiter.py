"""Counts in Redis who asks how often, so that a limit holds over any number of web processes."""

from typing import Any, NamedTuple

from jobs.config.rate_limits import RateLimit
from jobs.store import scripts
from jobs.store.batching import Batching
from jobs.store.clock import unavailable
from jobs.store.counters import Turned
from jobs.store.keys import COUNTERS, KNOWN_CLIENT_PREFIX, RATE_PREFIX, WRONG_KEYS_PREFIX

# Of wrong keys from one address: no person types so many, and nobody finds a key by so few.
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
    """Each question is one round trip. Raises StoreUnavailable."""

    def __init__(self, batching: Batching) -> None:
        self._batching = batching
        self._admit = batching.redis.register_script(scripts.ADMIT_REQUEST)
        self._wrong_key = batching.redis.register_script(scripts.RECORD_WRONG_KEY)

    def admit(self, name: str, quota: RateLimit | None, address: str) -> RateStatus:
        """Take one request of a key by its name, unless wrong keys came from that address.

        Who has shown this key from there within days is let in, whoever else guesses there.
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
        """Count a key that nobody holds."""
        keys, args = [WRONG_KEYS_PREFIX + address, COUNTERS], [*WRONG_KEYS_MAX, Turned.WRONG_KEY]
        with unavailable():
            return _reading(*self._batching.run(self._wrong_key, keys, args))


def used(name: str, quota: RateLimit) -> str:
    """Where Redis counts a key; another rate begins anew, so that a slip can be mended."""
    return f"{RATE_PREFIX}{quota.requests}/{quota.seconds}:{name}"


def _reading(left: int, reset_seconds: bytes, wait: bytes, guesses: int = 1) -> RateStatus:
    return RateStatus(left, float(reset_seconds), float(wait), bool(guesses))
