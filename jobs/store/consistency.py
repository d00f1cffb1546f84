"""Read all records and indexes page by page, and correct an index.

Each correction is made only while the record has the version that was examined, so that it is safe
while an installation is at work.
"""

from collections.abc import Iterator
from itertools import chain

from jobs.domain.job import Job
from jobs.store import codec, indexes
from jobs.store.job_store import JobStore
from jobs.store.record_reader import load_records
from jobs.store.redis import keys
from jobs.store.redis.client import StoreClient
from jobs.store.redis.scripts import Command

PAGE = 200
# Only scores in these sets never change by themselves.
_FIXED = (keys.STATUS_PREFIX, keys.ENDED)
_SLACK_SECONDS = 0.002  # a restored record knows milliseconds


class Consistency:
    """Raises StoreUnavailable. A job is None where its record cannot be read."""

    def __init__(self, redis: StoreClient, store: JobStore) -> None:
        self._redis = redis
        self._store = store

    def records(self) -> Iterator[dict[str, Job | None]]:
        """Every record by id, in pages of no order; one that changes meanwhile may come twice."""
        for found in self._redis.key_pages(keys.RECORD_PREFIX, PAGE):
            ids = (key.removeprefix(keys.RECORD_PREFIX) for key in found)
            yield load_records(self._redis, ids)

    def task_ids(self) -> Iterator[dict[str, str]]:
        """Task ids of BFL, each with the id of its job."""
        for found in self._redis.key_pages(keys.TASK_PREFIX, PAGE):
            job_ids = self._redis.mget(found)
            task_ids = (key.removeprefix(keys.TASK_PREFIX) for key in found)
            pairs = zip(task_ids, job_ids, strict=True)
            yield {task_id: job_id.decode() for task_id, job_id in pairs if job_id}

    def members(self) -> Iterator[tuple[str, list[str]]]:
        """Each sorted set of jobs with the ids in it, page by page."""
        prefixes = (keys.QUEUE_PREFIX, f"{keys.ACTIVE}:", keys.ANNOUNCED_PREFIX, keys.BY)
        pages = (page for prefix in prefixes for page in self._redis.key_pages(prefix, PAGE))
        for key in (*indexes.FIXED_KEYS, *chain.from_iterable(pages)):
            cursor: int | None = None
            while cursor != 0:  # which comes with the last page
                cursor, rows = self._redis.zscan(key, cursor or 0, count=PAGE)
                yield key, [member.decode() for member, _ in rows]

    def compare(self, job_id: str) -> tuple[Job | None, list[str]]:
        """A job, and the keys where it is not as its record says."""
        job = load_records(self._redis, [job_id]).get(job_id)
        if job is None:
            return None, []
        expected, sets = indexes.indexes(job), indexes.every(job)
        with self._redis.round_trip() as pipe:
            pipe.get(f"{keys.TASK_PREFIX}{job.task_id}")
            for key in sets:
                pipe.zscore(key, job_id)
            pipe.get(keys.RECORD_PREFIX + job_id)  # last: its version shows a change meanwhile
            owner, *scores, raw = pipe.execute()
        current = codec.decode_if_readable(raw) if raw else None
        if current is None or current.version != job.version:  # a process has just written it
            return job, []
        pairs = zip(sets, scores, strict=True)
        wrong = [key for key, score in pairs if _differs(key, expected.get(key), score)]
        if job.task_id not in (None, job_id) and owner is None:
            wrong.append(f"{keys.TASK_PREFIX}{job.task_id}")
        return job, wrong

    def is_member(self, key: str, job_id: str, job: Job | None) -> bool:
        """Whether an id is still in a set, and its record is still what was examined."""
        score = self._redis.zscore(key, job_id)
        current = load_records(self._redis, [job_id]).get(job_id)
        versions = {one.version if one else None for one in (job, current)}
        return score is not None and len(versions) == 1

    def reindex(self, job: Job) -> bool:
        """Put a job where its record says. False when the record has changed meanwhile."""
        expected = indexes.indexes(job)
        commands: list[Command] = [("ZADD", key, at, job.id) for key, at in expected.items()]
        commands += [("ZREM", key, job.id) for key in indexes.every(job) if key not in expected]
        queues = [key for key in expected if key.startswith(keys.QUEUE_PREFIX)]
        commands += [("SADD", keys.QUEUES, key) for key in queues]
        if job.task_id not in (None, job.id):
            commands.append(("SET", f"{keys.TASK_PREFIX}{job.task_id}", job.id))
        return self._store.run_if_unchanged(job.id, job.version, commands)

    def remove_member(self, key: str, job_id: str, job: Job | None) -> bool:
        """Remove an id from a set that its record (None: it has none) does not belong to."""
        version = job.version if job else 0
        return self._store.run_if_unchanged(job_id, version, [("ZREM", key, job_id)])

    def remove_task_id(self, task_id: str, job_id: str, job: Job | None) -> bool:
        version, command = job.version if job else 0, ("DEL", keys.TASK_PREFIX + task_id)
        return self._store.run_if_unchanged(job_id, version, [command])


def _differs(key: str, at: float | None, score: float | None) -> bool:
    if at is None or score is None:
        return at is not score
    return key.startswith(_FIXED) and abs(at - score) > _SLACK_SECONDS
