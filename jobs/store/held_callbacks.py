"""Callbacks on record that the archive must be asked about first, because it was away."""

from typing import NamedTuple

from jobs.store.commit import ANY_VERSION
from jobs.store.job_store import JobStore
from jobs.store.redis import keys
from jobs.store.redis.client import StoreClient
from jobs.store.redis.scripts import Command

_SEPARATOR = b" "  # ids have none


class HeldCallback(NamedTuple):
    """The verified body of a callback, and the job that its token named."""

    job_id: str | None
    body: bytes

    @property
    def member(self) -> bytes:
        """The member of the sorted set: a callback that is repeated is held once."""
        return (self.job_id or "").encode() + _SEPARATOR + self.body


class HeldCallbacks:
    """Callbacks by the time of their arrival. Raises StoreUnavailable."""

    def __init__(self, redis: StoreClient, store: JobStore) -> None:
        self._redis = redis
        self._store = store

    def hold(self, callback: HeldCallback) -> None:
        """Put a callback on record, as safely as `DURABILITY` says (I1).

        A full Redis refuses it, and BFL sends it again.
        """
        now = self._store.now()
        command: Command = ("ZADD", keys.HELD_CALLBACKS, "NX", now, callback.member)
        self._store.run_if_unchanged(callback.job_id or "", ANY_VERSION, [command])

    def first(self, limit: int) -> list[HeldCallback]:
        """The callbacks that came first."""
        members = self._redis.zrange(keys.HELD_CALLBACKS, 0, limit - 1)
        callbacks = []
        for member in members:
            job_id, _, body = member.partition(_SEPARATOR)
            callbacks.append(HeldCallback(job_id.decode() or None, body))
        return callbacks

    def remove(self, callback: HeldCallback) -> None:
        """Remove a callback that was applied."""
        self._redis.zrem(keys.HELD_CALLBACKS, callback.member)
