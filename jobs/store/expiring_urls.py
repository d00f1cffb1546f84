"""Jobs whose media are not stored yet, by the expiry of their URLs."""

from collections.abc import Iterable
from typing import Any

from redis import Redis

from jobs.errors import UnreadableRecord
from jobs.job import Job
from jobs.status import Status
from jobs.store import codec
from jobs.store.clock import unavailable
from jobs.store.keys import PENDING_RESCUES, RECORD_PREFIX, STATUS_PREFIX

# Bounds the cost: the jobs that workers would take next, and the oldest ones. Those at risk are
# among them.
JOBS_READ_MAX = 50


class ExpiringUrls:
    """Reads jobs that are `ready`. Raises StoreUnavailable."""

    def __init__(self, redis: Redis) -> None:
        self._redis: Any = redis  # its types leave open whether replies are bytes

    def most_urgent(self, limit: int) -> list[Job]:
        """The jobs whose URLs expire first."""
        with unavailable(), self._redis.pipeline(transaction=False) as pipe:
            pipe.zrange(PENDING_RESCUES, 0, JOBS_READ_MAX - 1)
            pipe.zrange(STATUS_PREFIX + Status.READY, 0, JOBS_READ_MAX - 1)
            ids = dict.fromkeys(job_id for found in pipe.execute() for job_id in found)
            raw = (
                self._redis.mget([RECORD_PREFIX.encode() + job_id for job_id in ids]) if ids else []
            )
        jobs = [job for record in raw if record and (job := _ready(record))]
        return sorted(jobs, key=lambda job: job.delivery.expire_at or job.deadline)[:limit]


def waiting_since(ready: Iterable[Job]) -> float | None:
    """Since when the oldest rescue has waited that no worker has begun; None when none waits."""
    waiting = (
        job for job in ready if job.check.work_deadline is not None and not job.check.attempts
    )
    return min((job.delivery.ready_at for job in waiting if job.delivery.ready_at), default=None)


def _ready(record: bytes) -> Job | None:
    """A broken record must not hide the others."""
    try:
        job = codec.decode(record)
    except UnreadableRecord:
        return None
    return job if job.status is Status.READY else None
