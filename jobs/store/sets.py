"""Sets of ids and names in Redis: by the time at which each is due, and until each expires."""

import math
from functools import partial

from jobs.store.redis import keys
from jobs.store.redis.client import StoreClient

NOTES_READ_MAX = 100_000


class DueSet:
    """Ids by the time at which each is due, in unix seconds. Raises StoreUnavailable.

    In the sets for retention this is the time at which the job ended, and not a deadline, so that
    a changed setting applies to all jobs at once.
    """

    def __init__(self, key: str, redis: StoreClient) -> None:
        self._key = key
        self._redis = redis

    def until(self, at: float, limit: int) -> tuple[str, ...]:
        """The ids that are due by then, the earliest first; the cost follows their number."""
        found = self._redis.zrangebyscore(self._key, "-inf", at, 0, limit)
        return tuple(name.decode() for name in found)

    def first(self, limit: int) -> list[tuple[str, float]]:
        """The ids that are due first, with their times."""
        found = self._redis.zrange(self._key, 0, limit - 1, withscores=True)
        return [(name.decode(), at) for name, at in found]

    def schedule(self, name: str, at: float | None) -> None:
        """Set the time of one id; None removes it."""
        if at is None:
            self.remove(name)
            return
        self._redis.write_essential(("ZADD", self._key, at, name))

    def __contains__(self, name: str) -> bool:
        return self._redis.zscore(self._key, name) is not None

    def remove(self, name: str) -> None:
        self._redis.zrem(self._key, name)


class DueSets:
    """All sets of what is due besides the checks of jobs."""

    def __init__(self, redis: StoreClient) -> None:
        self.notifications = DueSet(keys.NOTIFICATIONS, redis)
        self.thumbnails = DueSet(keys.THUMBNAILS, redis)
        self.price_polls = DueSet(keys.PRICE_POLLS, redis)
        self.ended = DueSet(keys.ENDED, redis)
        self.ended_with_media = DueSet(keys.ENDED_MEDIA, redis)
        self.orphans = DueSet(keys.ORPHANS, redis)
        self.superseded = DueSet(keys.SUPERSEDED, redis)
        self.late_objects = DueSet(keys.LATE_OBJECTS, redis)
        self.orphan_deletions = DueSet(keys.ORPHAN_DELETIONS, redis)
        self.input_notes = DueSet(keys.INPUT_NOTES, redis)

    def noted_inputs(self) -> frozenset[str]:
        """Keys of objects of inputs that a record may still come to name."""
        notes = self.input_notes.until(math.inf, NOTES_READ_MAX)
        return frozenset(key for note in notes for key in note.split(" ")[1:])


class ExpiringSet:
    """A set of names, each for a time of its own. Raises StoreUnavailable."""

    def __init__(self, prefix: str, redis: StoreClient) -> None:
        self._prefix = prefix
        self._redis = redis

    def add(self, name: str, seconds: int) -> bool:
        """Add a name for so many seconds; False if the set has it already."""
        return bool(self._redis.set(self._prefix + name, "", nx=True, ex=seconds))

    def __contains__(self, name: str) -> bool:
        return bool(self._redis.exists(self._prefix + name))


EndedSessions = partial(ExpiringSet, keys.ENDED_SESSION_PREFIX)
StrictModels = partial(ExpiringSet, keys.STRICT_MODEL_PREFIX)
UsedLogins = partial(ExpiringSet, keys.USED_LOGIN_PREFIX)
