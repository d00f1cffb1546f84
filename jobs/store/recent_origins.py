"""Bounded sets of origins in Redis, by the time at which each was last seen."""

from functools import partial

from jobs.store.redis import keys
from jobs.store.redis.client import StoreClient
from jobs.store.redis.clock import Clock

NOTED_EVERY_SECONDS = 60.0  # at most, by each process
NOTES_MAX = 100  # in the memory of a process; callers may name any number of origins
NAMED_HOSTS_MAX = 24  # BFL has had about ten clusters
# Hosts that only callers named must not push out those that BFL named: they have a set apart.
ANNOUNCED_HOSTS_MAX = 8


class RecentOrigins:
    """The origins that were seen last; older ones make room. Raises StoreUnavailable."""

    def __init__(self, key: str, most: int, redis: StoreClient, clock: Clock) -> None:
        self._key = key
        self._most = most
        self._redis = redis
        self._clock = clock
        self._noted_at: dict[str, float] = {}

    def add(self, origin: str) -> None:
        """Note that an origin was seen now, unless this process did so a moment ago.

        The set is bounded, so that a full Redis takes it.
        """
        now = self._clock.now()
        if now - self._noted_at.get(origin, 0.0) < NOTED_EVERY_SECONDS:
            return
        self._redis.write_essential(
            ("ZADD", self._key, now, origin),
            ("ZREMRANGEBYRANK", self._key, 0, -self._most - 1),
        )
        if len(self._noted_at) >= NOTES_MAX:
            self._noted_at.clear()
        self._noted_at[origin] = now

    def latest(self) -> tuple[str, ...]:
        """The origins, the one that was seen last first."""
        origins = self._redis.zrange(self._key, 0, self._most - 1, desc=True)
        return tuple(origin.decode() for origin in origins)


NamedHosts = partial(RecentOrigins, keys.TASK_HOSTS, NAMED_HOSTS_MAX)
AnnouncedHosts = partial(RecentOrigins, keys.ANNOUNCED_TASK_HOSTS, ANNOUNCED_HOSTS_MAX)
