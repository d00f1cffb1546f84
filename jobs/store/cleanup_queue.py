"""The clocks of what has ended: who is due to be cleared away, longest ended first.

A job stands under the time of its end, and not under a deadline, so that a changed setting holds
for all of them at once.
"""

from typing import Any

from redis import Redis

from jobs.retention import Cutoffs
from jobs.store.clock import unavailable
from jobs.store.keys import ENDED, ENDED_MEDIA, ORPHANS


class CleanupQueue:
    """Its cost follows what is due, and not what is kept. Raises StoreUnavailable."""

    def __init__(self, redis: Redis) -> None:
        self._redis: Any = redis  # its answers are typed for every setting; here they are bytes

    def due(self, cutoffs: Cutoffs, limit: int) -> tuple[str, ...]:
        """Ids of jobs whose media or records have been kept long enough."""
        with unavailable(), self._redis.pipeline(transaction=False) as pipe:
            pipe.zrangebyscore(ENDED_MEDIA, "-inf", max(cutoffs), 0, limit)
            pipe.zrangebyscore(ENDED, "-inf", cutoffs.jobs, 0, limit)
            found = [job_id.decode() for ids in pipe.execute() for job_id in ids]
        return tuple(found[:limit])

    def orphans(self, cutoffs: Cutoffs, limit: int) -> tuple[str, ...]:
        """Keys of objects that have outlived their records for long enough."""
        with unavailable():
            found = self._redis.zrangebyscore(ORPHANS, "-inf", cutoffs.media, 0, limit)
        return tuple(key.decode() for key in found)

    def remove(self, job_id: str) -> None:
        """Off the clocks: there is no record that could say when it ended."""
        with unavailable(), self._redis.pipeline() as pipe:
            pipe.zrem(ENDED_MEDIA, job_id)
            pipe.zrem(ENDED, job_id)
            pipe.execute()

    def remove_orphan(self, key: str) -> None:
        """This object is gone, or a record answers for it again."""
        with unavailable():
            self._redis.zrem(ORPHANS, key)
