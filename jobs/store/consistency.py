"""Read all records and indexes page by page, and correct an index.

Each correction is made only while the record has the version that was examined, so that it is safe
while an installation is at work.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from redis import Redis

from jobs.job import Job
from jobs.store import codec, commit, indexes, scripts
from jobs.store.clock import unavailable
from jobs.store.commit import Command
from jobs.store.keys import (
    ACTIVE,
    ENDED,
    ORPHANS,
    QUEUE_PREFIX,
    QUEUES,
    RECORD_PREFIX,
    STATUS_PREFIX,
    TASK_PREFIX,
)
from jobs.store.listing import load_records

PAGE = 200
# Only scores in these sets never change by themselves.
_FIXED = (STATUS_PREFIX, ENDED)
_SLACK_SECONDS = 0.002  # a restored record knows milliseconds


class Consistency:
    """Raises StoreUnavailable. A job is None where its record cannot be read."""

    def __init__(self, redis: Redis) -> None:
        self._redis: Any = redis  # its types leave open whether replies are bytes
        self._run_if_unchanged = redis.register_script(scripts.RUN_IF_UNCHANGED)

    def records(self) -> Iterator[dict[str, Job | None]]:
        """Every record by id, in pages of no order; one that changes meanwhile may come twice."""
        for keys in self._scan(RECORD_PREFIX):
            yield self.load_jobs(key.removeprefix(RECORD_PREFIX) for key in keys)

    def load_jobs(self, job_ids: Iterable[str]) -> dict[str, Job | None]:
        return load_records(self._redis, job_ids)

    def task_ids(self) -> Iterator[dict[str, str]]:
        """Task ids of BFL, each with the id of its job."""
        for keys in self._scan(TASK_PREFIX):
            with unavailable():
                found = self._redis.mget(keys)
            pairs = zip(keys, found, strict=True)
            yield {key.removeprefix(TASK_PREFIX): value.decode() for key, value in pairs if value}

    def members(self) -> Iterator[tuple[str, list[str]]]:
        """Each sorted set of jobs with the ids in it, page by page."""
        prefixes = (QUEUE_PREFIX, f"{ACTIVE}:")
        more = [key for prefix in prefixes for keys in self._scan(prefix) for key in keys]
        for key in (*indexes.FIXED_KEYS, *more):
            cursor = -1
            while cursor:
                with unavailable():
                    cursor, rows = self._redis.zscan(key, max(cursor, 0), count=PAGE)
                yield key, [member.decode() for member, _ in rows]

    def _scan(self, prefix: str) -> Iterator[list[str]]:
        cursor = -1
        while cursor:
            with unavailable():
                cursor, keys = self._redis.scan(max(cursor, 0), f"{prefix}*", PAGE)
            if keys:
                yield [key.decode() for key in keys]

    def compare(self, job_id: str) -> tuple[Job | None, list[str]]:
        """A job, and the keys where it is not as its record says."""
        job = self.load_jobs([job_id]).get(job_id)
        if job is None:
            return None, []
        expected, keys = indexes.indexes(job), indexes.every(job)
        with unavailable(), self._redis.pipeline() as pipe:
            pipe.get(RECORD_PREFIX + job_id)
            pipe.get(f"{TASK_PREFIX}{job.task_id}")
            for key in keys:
                pipe.zscore(key, job_id)
            raw, owner, *scores = pipe.execute()
        current = codec.decode_if_readable(raw) if raw else None
        if current is None or current.version != job.version:  # a process has just written it
            return job, []
        pairs = zip(keys, scores, strict=True)
        wrong = [key for key, score in pairs if _differs(key, expected.get(key), score)]
        unnamed = job.task_id not in (None, job_id) and owner is None
        return job, wrong + [f"{TASK_PREFIX}{job.task_id}"] * unnamed

    def is_member(self, key: str, job_id: str, job: Job | None) -> bool:
        """Whether an id is still in a set, and its record is still what was examined."""
        with unavailable():
            score = self._redis.zscore(key, job_id)
        current = self.load_jobs([job_id]).get(job_id)
        versions = {one.version if one else None for one in (job, current)}
        return score is not None and len(versions) == 1

    def reindex(self, job: Job) -> bool:
        """Put a job where its record says. False when the record has changed meanwhile."""
        expected = indexes.indexes(job)
        commands: list[Command] = [("ZADD", key, at, job.id) for key, at in expected.items()]
        commands += [("ZREM", key, job.id) for key in indexes.every(job) if key not in expected]
        commands += [("SADD", QUEUES, key) for key in expected if key.startswith(QUEUE_PREFIX)]
        if job.task_id not in (None, job.id):
            commands.append(("SET", f"{TASK_PREFIX}{job.task_id}", job.id))
        return self._correct(job.id, job, commands)

    def remove_member(self, key: str, job_id: str, job: Job | None) -> bool:
        """Remove an id from a set that its record (None: it has none) does not belong to."""
        return self._correct(job_id, job, [("ZREM", key, job_id)])

    def remove_task_id(self, task_id: str, job_id: str, job: Job | None) -> bool:
        return self._correct(job_id, job, [("DEL", TASK_PREFIX + task_id)])

    def schedule_deletion(self, job: Job) -> bool:
        """Have media without a record deleted when their time is over. False if it is known."""
        with unavailable():
            return bool(
                self._redis.zadd(ORPHANS, {file.key: job.end for file in job.present_media})
            )

    def is_scheduled(self, key: str) -> bool:
        with unavailable():
            return self._redis.zscore(ORPHANS, key) is not None

    def _correct(self, job_id: str, job: Job | None, commands: Sequence[Command]) -> bool:
        with unavailable():
            args = [job.version if job else 0, *commit.flat(list(commands))]
            return bool(self._run_if_unchanged(keys=[RECORD_PREFIX + job_id], args=args))


def _differs(key: str, at: float | None, score: float | None) -> bool:
    if at is None or score is None:
        return at is not score
    return key.startswith(_FIXED) and abs(at - score) > _SLACK_SECONDS
