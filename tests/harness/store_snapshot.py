"""Snapshot of the store: all records, and the sets that must agree with them."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any, NamedTuple, Self

from jobs.job import Job
from jobs.status import Status
from jobs.store import codec
from jobs.store.keys import (
    DUE,
    ENDED,
    ENDED_MEDIA,
    PENDING_POLLS,
    PENDING_RESCUES,
    RECORD_PREFIX,
    STATUS_PREFIX,
    THUMBNAILS,
)


class StoreSnapshot(NamedTuple):
    """Scores by id; `ended` are those of what has ended, with media and without."""

    jobs: list[Job]
    due: dict[str, float]
    rescues: dict[str, float]
    polls: dict[str, float]
    thumbnails: dict[str, float]
    ended: tuple[dict[str, float], dict[str, float]]
    indexes: dict[Status, dict[str, float]]

    @classmethod
    def read(cls, redis: Any, job_ids: Iterable[str]) -> Self:
        """Read everything in one transaction."""
        with redis.pipeline() as pipe:
            pipe.mget([RECORD_PREFIX + job_id for job_id in job_ids])
            sets = (DUE, PENDING_RESCUES, PENDING_POLLS, THUMBNAILS, ENDED_MEDIA, ENDED)
            for key in (*sets, *(STATUS_PREFIX + state for state in Status)):
                pipe.zrange(key, 0, -1, withscores=True)
            raw, *rows = pipe.execute()
        due, rescues, polls, thumbnails, kept, rest, *indexes = [
            {name.decode(): score for name, score in row} for row in rows
        ]
        jobs = [codec.decode(record) for record in raw if record]
        return cls(
            jobs,
            due,
            rescues,
            polls,
            thumbnails,
            (kept, rest),
            dict(zip(Status, indexes, strict=True)),
        )


def aged(job: Job, now: float, moments: Mapping[str, float]) -> Job:
    """Return the job with its times set to `moments` seconds from now, where it has them."""
    deadline = now + moments["deadline"] if "deadline" in moments else job.deadline
    check = {name: now + moments[name] for name in moments if getattr(job.check, name, None)}
    return replace(job, deadline=deadline).with_check(**check)
