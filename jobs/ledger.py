"""All records and all that stands around them, page by page: to compare, and to put right.

Nothing is put right but under the version of the record that was looked at, so that it is safe
while an installation is at work.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

from redis import Redis

from jobs import places, plan, records, scripts
from jobs.clock import unavailable
from jobs.errors import BrokenRecord
from jobs.job import Job
from jobs.keys import ACTIVE, ENDED, INDEX, LEFT, LINE, LINES, RECORDS, TASKS
from jobs.plan import Command

PAGE = 200
# Scores that others move as well say nothing of a mistake; these do.
_FIRM = (INDEX, ENDED)
_SLACK_SECONDS = 0.002  # a record that was brought back knows milliseconds


class Entry(NamedTuple):
    """A record as it is: its job, or None where it cannot be read."""

    id: str
    job: Job | None


class Ledger:
    """Raises StoreUnavailable."""

    def __init__(self, redis: Redis) -> None:
        self._redis: Any = redis  # its answers are typed for every setting; here they are bytes
        self._amend = redis.register_script(scripts.AMEND)

    # What there is.

    def entries(self) -> Iterator[list[Entry]]:
        """Every record, in pages of no order; one that changes meanwhile may come twice."""
        for keys in self._scanned(RECORDS):
            ids = [key.removeprefix(RECORDS) for key in keys]
            yield list(self.known(ids).values())

    def known(self, job_ids: Iterable[str]) -> dict[str, Entry]:
        """The records among these ids."""
        ids = list(dict.fromkeys(job_ids))
        with unavailable():
            found = self._redis.mget([RECORDS + job_id for job_id in ids]) if ids else []
        pairs = zip(ids, found, strict=True)
        return {job_id: Entry(job_id, _readable(raw)) for job_id, raw in pairs if raw}

    def names(self) -> Iterator[list[tuple[str, str]]]:
        """BFL's task ids that lead to a job, with the id of that job."""
        for keys in self._scanned(TASKS):
            with unavailable():
                found = self._redis.mget(keys)
            pairs = zip(keys, found, strict=True)
            yield [(key.removeprefix(TASKS), value.decode()) for key, value in pairs if value]

    def members(self) -> Iterator[tuple[str, list[str]]]:
        """Each sorted set with the ids in it, page by page."""
        prefixes = (LINE, f"{ACTIVE}:")
        more = [key for prefix in prefixes for keys in self._scanned(prefix) for key in keys]
        for key in (*places.ONE_EACH, *more):
            cursor = -1
            while cursor:
                with unavailable():
                    cursor, rows = self._redis.zscan(key, max(cursor, 0), count=PAGE)
                yield key, [member.decode() for member, _ in rows]

    def _scanned(self, prefix: str) -> Iterator[list[str]]:
        cursor = -1
        while cursor:
            with unavailable():
                cursor, keys = self._redis.scan(max(cursor, 0), f"{prefix}*", PAGE)
            if keys:
                yield [key.decode() for key in keys]

    # What is wrong with it.

    def faults(self, job_id: str) -> tuple[Job | None, list[str]]:
        """A job, and the names of the keys where it does not stand as its record says."""
        job = self._job(job_id)
        if job is None:
            return None, []
        wanted, sets = places.places(job), places.every(job)
        with unavailable(), self._redis.pipeline() as pipe:
            pipe.get(RECORDS + job_id)
            pipe.get(f"{TASKS}{job.task_id}")
            for key in sets:
                pipe.zscore(key, job_id)
            raw, named, *scores = pipe.execute()
        now = _readable(raw) if raw else None
        if now is None or now.version != job.version:  # somebody is at work on it
            return job, []
        wrong = [
            key for key, is_at in zip(sets, scores, strict=True) if _differs(key, wanted, is_at)
        ]
        nameless = job.task_id not in (None, job_id) and named is None
        return job, wrong + [f"{TASKS}{job.task_id}"] * nameless

    def _job(self, job_id: str) -> Job | None:
        entry = self.known([job_id]).get(job_id)
        return entry.job if entry else None

    def strays(self, key: str, job: Job) -> bool:
        """Whether it stands in a set that `faults` does not look at, as that of another model."""
        if key in places.every(job):
            return False
        with unavailable():
            return self._redis.zscore(key, job.id) is not None

    # Putting it right.

    def settle(self, job: Job) -> bool:
        """Put a job where its record says; False when the record has changed meanwhile."""
        wanted = places.places(job)
        commands: list[Command] = [("ZADD", key, at, job.id) for key, at in wanted.items()]
        commands += [("ZREM", key, job.id) for key in places.every(job) if key not in wanted]
        commands += [("SADD", LINES, key) for key in wanted if key.startswith(LINE)]
        if job.task_id not in (None, job.id):
            commands.append(("SET", f"{TASKS}{job.task_id}", job.id))
        return self._amended(job.id, job.version, commands)

    def strike(self, key: str, job_id: str, job: Job | None = None) -> bool:
        """Take an id out of a set that its record (None: it has none) does not know of."""
        return self._amended(job_id, job.version if job else 0, [("ZREM", key, job_id)])

    def unname(self, task_id: str, job_id: str, job: Job | None = None) -> bool:
        """Forget that a task id leads to a job."""
        return self._amended(job_id, job.version if job else 0, [("DEL", TASKS + task_id)])

    def leave_behind(self, job: Job) -> None:
        """Media without a record whose time is not over yet."""
        with unavailable():
            self._redis.zadd(LEFT, {file.key: job.end for file in job.kept})

    def _amended(self, job_id: str, version: int, commands: Sequence[Command]) -> bool:
        with unavailable():
            args = [version, *plan.flat(list(commands))]
            return bool(self._amend(keys=[RECORDS + job_id], args=args))


def _differs(key: str, wanted: dict[str, float], score: float | None) -> bool:
    at = wanted.get(key)
    if at is None or score is None:
        return at is not score
    return key.startswith(_FIRM) and abs(at - score) > _SLACK_SECONDS


def _readable(raw: bytes) -> Job | None:
    try:
        return records.decode(raw)
    except BrokenRecord:
        return None
