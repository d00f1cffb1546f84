"""Sorted sets in Redis of ids and notes, by the time at which each is due."""

import math

from jobs.store.redis import keys
from jobs.store.redis.client import StoreClient

NOTES_READ_MAX = 100_000


class DueSet:
    """Ids or notes by the time at which each is due, in unix seconds. Raises StoreUnavailable.

    In the sets for retention this is the time at which the job ended, and not a deadline, so that
    a changed setting applies to all jobs at once.
    """

    def __init__(self, key: str, redis: StoreClient) -> None:
        self._key = key
        self._redis = redis

    def members_until(self, at: float, limit: int) -> tuple[str, ...]:
        """At most `limit` members that are due until a time, the earliest first.

        The cost of the call follows their number.
        """
        members = self._redis.zrangebyscore(self._key, "-inf", at, 0, limit)
        return tuple(member.decode() for member in members)

    def earliest(self, limit: int) -> list[tuple[str, float]]:
        """At most `limit` members with their times, the earliest first."""
        members = self._redis.zrange(self._key, 0, limit - 1, withscores=True)
        return [(member.decode(), due_at) for member, due_at in members]

    def schedule(self, member: str, at: float | None) -> None:
        """Set the time of one member; None removes it."""
        if at is None:
            self.remove(member)
            return
        self._redis.write_essential(("ZADD", self._key, at, member))

    def __contains__(self, member: str) -> bool:
        return self._redis.zscore(self._key, member) is not None

    def remove(self, member: str) -> None:
        self._redis.zrem(self._key, member)


class DueSets:
    """The due sets of all work but the checks of jobs."""

    def __init__(self, redis: StoreClient) -> None:
        self.notifications = DueSet(keys.NOTIFICATIONS, redis)
        self.thumbnails = DueSet(keys.THUMBNAILS, redis)
        self.price_polls = DueSet(keys.PRICE_POLLS, redis)
        self.ended = DueSet(keys.ENDED, redis)
        self.ended_with_media = DueSet(keys.ENDED_MEDIA, redis)
        self.orphans = DueSet(keys.ORPHANS, redis)
        self.superseded = DueSet(keys.SUPERSEDED, redis)
        self.late_objects = DueSet(keys.LATE_OBJECTS, redis)
        self.erasures = DueSet(keys.ERASURES, redis)
        self.input_notes = DueSet(keys.INPUT_NOTES, redis)

    def noted_inputs(self) -> frozenset[str]:
        """Keys of the objects of inputs that a record may name later."""
        object_keys: set[str] = set()
        for note in self.input_notes.members_until(math.inf, NOTES_READ_MAX):
            _job_id, *keys_in_note = note.split(" ")
            object_keys.update(keys_in_note)
        return frozenset(object_keys)
