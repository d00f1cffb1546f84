"""Jobs whose media are not stored yet, by the expiry of their URLs."""

from collections.abc import Iterable
from typing import Any

from redis import Redis

from jobs.job import Job
from jobs.status import Status
from jobs.store.clock import unavailable
from jobs.store.keys import PENDING_RESCUES, STATUS_PREFIX
from jobs.store.listing import JobListing

# Bounds the cost: the jobs that workers would take next, and the oldest ones. Those at risk are
# among them.
JOBS_READ_MAX = 50


class ExpiringUrls:
    """Reads jobs that are `ready`. Raises StoreUnavailable."""

    def __init__(self, redis: Redis) -> None:
        self._redis: Any = redis  # its types leave open whether replies are bytes
        self._listing = JobListing(redis)

    def most_urgent(self, limit: int) -> list[Job]:
        """The jobs whose URLs expire first."""
        with unavailable(), self._redis.pipeline(transaction=False) as pipe:
            for key in (PENDING_RESCUES, STATUS_PREFIX + Status.READY):
                pipe.zrange(key, 0, JOBS_READ_MAX - 1)
            ids = dict.fromkeys(job_id.decode() for found in pipe.execute() for job_id in found)
        jobs = self._listing.load_jobs([*ids]).values()
        ready = [job for job in jobs if job.status is Status.READY]
        return sorted(ready, key=lambda job: job.delivery.expire_at or job.deadline)[:limit]


def waiting_since(ready: Iterable[Job]) -> float | None:
    """Since when the oldest rescue has waited that no worker has begun; None when none waits."""
    waiting = (
        job for job in ready if job.check.work_deadline is not None and not job.check.attempts
    )
    return min((job.delivery.ready_at for job in waiting if job.delivery.ready_at), default=None)
