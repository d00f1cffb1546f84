"""Counts in Redis who asks how often, so that a limit holds over any number of web processes."""

from typing import Any, NamedTuple

from jobs.config.rate_limits import Quota
from jobs.store import scripts
from jobs.store.batching import Batching
from jobs.store.clock import unavailable
from jobs.store.counters import Turned
from jobs.store.keys import ACQUAINTED, COUNTS, GUESSES, RATES

# Of wrong keys from one address: no person types so many, and nobody finds a key by so few.
GUESSES_ALLOWED = Quota(30, 60)
ACQUAINTED_SECONDS = 7 * 86400
NO_QUOTA = Quota(0, 0)


class Reading(NamedTuple):
    """`left` of the quota, `wait` seconds (0: go on), all of it is back in `whole_in` seconds."""

    left: int
    whole_in: float
    wait: float
    guesses: bool = False  # the wait is for wrong keys, and not for too many requests


class RateLimiter:
    """Each question is one round trip. Raises StoreUnavailable."""

    def __init__(self, batching: Batching) -> None:
        self._batching = batching
        self._admit = batching.redis.register_script(scripts.ADMIT)
        self._guess = batching.redis.register_script(scripts.GUESS)

    def admit(self, name: str, quota: Quota | None, address: str) -> Reading:
        """Take one request of a key by its name, unless wrong keys came from that address.

        Who has shown this key from there within days is let in, whoever else guesses there.
        """
        rate = quota or NO_QUOTA
        keys = [used(name, rate), GUESSES + address, f"{ACQUAINTED}{address} {name}", COUNTS]
        args: list[Any] = [*rate, *GUESSES_ALLOWED, ACQUAINTED_SECONDS]
        args += [Turned.GUESSER, Turned.OVER_RATE]
        with unavailable():
            return _reading(*self._batching.run(self._admit, keys, args))

    def guess(self, address: str) -> Reading:
        """Count a key that nobody holds."""
        keys, args = [GUESSES + address, COUNTS], [*GUESSES_ALLOWED, Turned.WRONG_KEY]
        with unavailable():
            return _reading(*self._batching.run(self._guess, keys, args))


def used(name: str, quota: Quota) -> str:
    """Where Redis counts a key; another rate begins anew, so that a slip can be mended."""
    return f"{RATES}{quota.requests}/{quota.seconds}:{name}"


def _reading(left: int, whole_in: bytes, wait: bytes, guesses: int = 1) -> Reading:
    return Reading(left, float(whole_in), float(wait), bool(guesses))
