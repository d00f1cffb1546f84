"""Jobs written by the thousand: records and places are those that the store would have written."""

from collections.abc import Iterable
from itertools import islice
from typing import Any

from redis import Redis

from jobs.domain.job import Job
from jobs.store import codec
from jobs.store.commit import aliases
from jobs.store.indexes import indexes
from jobs.store.redis.keys import RECORD_PREFIX, TASK_PREFIX

BATCH = 1000
VERSION = 7


def put_in(redis: Redis, jobs: Iterable[Job]) -> None:
    """Write all of them, whatever their number, past the store and its announcements."""
    coming = iter(jobs)
    while batch := list(islice(coming, BATCH)):
        sets: dict[str, dict[str, float]] = {}
        for job in batch:
            for key, score in indexes(job).items():
                sets.setdefault(key, {})[job.id] = score
        pipe: Any = redis.pipeline(transaction=False)
        pipe.mset({RECORD_PREFIX + job.id: codec.encode(job, VERSION) for job in batch})
        if names := {TASK_PREFIX + name: job.id for job in batch for name in aliases(job)}:
            pipe.mset(names)
        for key, members in sets.items():
            pipe.zadd(key, members)
        pipe.execute()
