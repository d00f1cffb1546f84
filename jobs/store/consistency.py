"""Read all records and indexes page by page, and correct an index.

Each correction is made only while the record has the version that was examined, so that it is safe
while an installation is at work.
"""

from collections.abc import Iterator

from jobs.domain.job import Job
from jobs.store import codec, indexes
from jobs.store.job_store import JobStore
from jobs.store.record_reader import load_records
from jobs.store.redis import keys
from jobs.store.redis.client import StoreClient
from jobs.store.redis.scripts import add_to_sets, remove_from_sets

PAGE = 200
_PREFIXES_OF_SETS = (keys.QUEUE_PREFIX, f"{keys.ACTIVE}:", keys.ANNOUNCED_PREFIX, keys.BY)
# Only scores in these sets never change by themselves.
_FIXED = (keys.STATUS_PREFIX, keys.ENDED)
_SLACK_SECONDS = 0.002  # a restored record knows milliseconds


class Consistency:
    """Raises StoreUnavailable. A job is None where its record cannot be read."""

    def __init__(self, redis: StoreClient, store: JobStore) -> None:
        self._redis = redis
        self._store = store

    def records(self) -> Iterator[dict[str, Job | None]]:
        """Every record by id, in pages of no order; a record that changes may come twice."""
        for record_keys in self._redis.key_pages(keys.RECORD_PREFIX, PAGE):
            job_ids = [key.removeprefix(keys.RECORD_PREFIX) for key in record_keys]
            yield load_records(self._redis, job_ids)

    def task_ids(self) -> Iterator[dict[str, str]]:
        """Task ids of BFL, each with the id of its job."""
        for task_keys in self._redis.key_pages(keys.TASK_PREFIX, PAGE):
            job_ids = self._redis.mget(task_keys)
            page: dict[str, str] = {}
            for task_key, job_id in zip(task_keys, job_ids, strict=True):
                if job_id:
                    page[task_key.removeprefix(keys.TASK_PREFIX)] = job_id.decode()
            yield page

    def members(self) -> Iterator[tuple[str, list[str]]]:
        """Each sorted set of jobs with the ids in it, page by page."""
        for key in self._sorted_sets():
            for job_ids in self._redis.member_pages(key, PAGE):
                yield key, job_ids

    def _sorted_sets(self) -> Iterator[str]:
        yield from indexes.FIXED_KEYS
        for prefix in _PREFIXES_OF_SETS:
            for page in self._redis.key_pages(prefix, PAGE):
                yield from page

    def compare(self, job_id: str) -> tuple[Job | None, list[str]]:
        """A job, and the keys where it is not as its record says."""
        job = load_records(self._redis, [job_id]).get(job_id)
        if job is None:
            return None, []
        task_key = f"{keys.TASK_PREFIX}{job.task_id}"
        possible_sets = indexes.possible_sets(job)
        with self._redis.round_trip() as pipe:
            pipe.get(task_key)
            for key in possible_sets:
                pipe.zscore(key, job_id)
            pipe.get(keys.RECORD_PREFIX + job_id)  # last: its version shows a change meanwhile
            owner, *scores, record = pipe.execute()
        current: Job | None = None
        if record:
            current = codec.decode_if_readable(record)
        if current is None or current.version != job.version:  # a process has just written it
            return job, []
        expected_scores = indexes.indexes(job)
        wrong_keys: list[str] = []
        for key, score in zip(possible_sets, scores, strict=True):
            if _differs(key, expected_scores.get(key), score):
                wrong_keys.append(key)
        if job.task_id not in (None, job_id) and owner is None:
            wrong_keys.append(task_key)
        return job, wrong_keys

    def is_member(self, key: str, job_id: str, job: Job | None) -> bool:
        """Whether an id is still in a set, and its record is still what was examined."""
        score = self._redis.zscore(key, job_id)
        current = load_records(self._redis, [job_id]).get(job_id)
        return score is not None and _version(current) == _version(job)

    def reindex(self, job: Job) -> bool:
        """Put a job where its record says. False when the record has changed meanwhile."""
        scores = indexes.indexes(job)
        possible_sets = indexes.possible_sets(job)
        commands = add_to_sets(job.id, scores)
        sets_to_leave = [key for key in possible_sets if key not in scores]
        commands += remove_from_sets(job.id, sets_to_leave)
        for key in scores:
            if key.startswith(keys.QUEUE_PREFIX):
                commands.append(("SADD", keys.QUEUES, key))
        if job.task_id not in (None, job.id):
            commands.append(("SET", f"{keys.TASK_PREFIX}{job.task_id}", job.id))
        return self._store.run_if_unchanged(job.id, job.version, commands)

    def remove_member(self, key: str, job_id: str, job: Job | None) -> bool:
        """Remove an id from a set that its record (None: it has none) does not belong to."""
        version = job.version if job else 0
        return self._store.run_if_unchanged(job_id, version, [("ZREM", key, job_id)])

    def remove_task_id(self, task_id: str, job_id: str, job: Job | None) -> bool:
        """Remove a task id that its job's record (None: it has none) does not have."""
        version = job.version if job else 0
        return self._store.run_if_unchanged(job_id, version, [("DEL", keys.TASK_PREFIX + task_id)])


def _version(job: Job | None) -> int | None:
    if job is None:
        return None
    return job.version


def _differs(key: str, expected_score: float | None, score: float | None) -> bool:
    """Whether a job is in a set and should not be, or the reverse, or at another fixed score."""
    is_expected = expected_score is not None
    is_member = score is not None
    if expected_score is None or score is None:
        return is_expected != is_member
    return key.startswith(_FIXED) and abs(expected_score - score) > _SLACK_SECONDS
