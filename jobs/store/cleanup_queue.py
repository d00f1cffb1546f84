"""Ended jobs and orphaned objects that are due for deletion, oldest first.

Scores are the time at which the job ended, not a deadline, so that a changed retention setting
applies to all jobs at once.
"""

from typing import Any

from redis import Redis

from jobs.retention import Cutoffs
from jobs.store.clock import unavailable
from jobs.store.keys import ENDED, ENDED_MEDIA, ORPHANS, SUPERSEDED


class CleanupQueue:
    """Reads what retention deletes; the cost follows what is due. Raises StoreUnavailable."""

    def __init__(self, redis: Redis) -> None:
        self._redis: Any = redis  # its types leave open whether replies are bytes

    def due(self, cutoffs: Cutoffs, limit: int) -> tuple[str, ...]:
        """Ids of jobs whose media or records are to be deleted."""
        with unavailable(), self._redis.pipeline(transaction=False) as pipe:
            pipe.zrangebyscore(ENDED_MEDIA, "-inf", max(cutoffs), 0, limit)
            pipe.zrangebyscore(ENDED, "-inf", cutoffs.jobs, 0, limit)
            found = [job_id.decode() for ids in pipe.execute() for job_id in ids]
        return tuple(found[:limit])

    def orphans(self, cutoffs: Cutoffs, limit: int) -> tuple[str, ...]:
        """Keys of objects without a record that are to be deleted."""
        with unavailable():
            found = self._redis.zrangebyscore(ORPHANS, "-inf", cutoffs.media, 0, limit)
        return tuple(key.decode() for key in found)

    def remove(self, job_id: str) -> None:
        """Remove a job that has no record."""
        with unavailable(), self._redis.pipeline() as pipe:
            pipe.zrem(ENDED_MEDIA, job_id)
            pipe.zrem(ENDED, job_id)
            pipe.execute()

    def remove_orphan(self, key: str) -> None:
        """Remove an object that was deleted or has a record again."""
        with unavailable():
            self._redis.zrem(ORPHANS, key)

    def superseded(self, until: float, limit: int) -> tuple[str, ...]:
        """Ids of jobs that ended by then, and of which an earlier worker may have left objects."""
        with unavailable():
            found = self._redis.zrangebyscore(SUPERSEDED, "-inf", until, 0, limit)
        return tuple(job_id.decode() for job_id in found)

    def postpone_superseded(self, job_id: str, now: float) -> None:
        """Treat a job as if it had ended now."""
        with unavailable():
            self._redis.zadd(SUPERSEDED, {job_id: now}, xx=True)

    def remove_superseded(self, job_id: str) -> None:
        with unavailable():
            self._redis.zrem(SUPERSEDED, job_id)
