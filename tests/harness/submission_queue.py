"""Submission queues and slots: as Redis has them, and as the records imply."""

from collections.abc import Iterable
from typing import Any

from jobs.domain.job import Job
from jobs.domain.status import Status
from jobs.store.redis.keys import ACTIVE, IN_FLIGHT, QUEUE_PREFIX

Queues = dict[str, dict[str, float]]

_AT_BFL = (Status.QUEUED, Status.SUBMITTED)


def queues_in_redis(redis: Any) -> Queues:
    """Return each non-empty queue and slot set, with its members and scores."""
    keys = [
        key for kind in (QUEUE_PREFIX, ACTIVE, IN_FLIGHT) for key in redis.scan_iter(f"{kind}*")
    ]
    return {
        key.decode(): {name.decode(): at for name, at in redis.zrange(key, 0, -1, withscores=True)}
        for key in keys
    }


def queues_of_records(jobs: Iterable[Job]) -> Queues:
    """Return the queues that the records imply, computed independently of `jobs.store.indexes`."""
    queues: Queues = {}
    for job in jobs:
        if job.submission.is_queued:
            queues.setdefault(f"{QUEUE_PREFIX}{job.model}", {})[job.id] = (
                job.submission.queued_at or job.created_at
            )
        if job.submission.sent_at is not None:
            queues.setdefault(IN_FLIGHT, {})[job.id] = job.submission.sent_at
        if job.submission.slot and job.status in _AT_BFL:
            for key in (ACTIVE, f"{ACTIVE}:{job.model}"):
                queues.setdefault(key, {})[job.id] = job.deadline
    return queues
