"""Lists of jobs: pages, newest first, and the jobs whose URLs expire first.

The cost follows the page, not the number of jobs.
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from jobs.domain.job import Job
from jobs.domain.status import Status
from jobs.store import codec
from jobs.store.redis import scripts
from jobs.store.redis.client import StoreClient
from jobs.store.redis.keys import PENDING_RESCUES, RECORD_PREFIX, STATUS_PREFIX, TASK_PREFIX
from jobs.store.search_conditions import Group, Search

# A page ends after so many jobs, matching or not, so that its cost is bounded.
JOBS_READ_MAX = 1000
STRIDE = 250
SCANNED = 5000  # keys for each answer
# Of those that workers would take next, and of the oldest ones: jobs at risk are among them.
EXPIRING_READ_MAX = 50


class Position(NamedTuple):
    """The position of a job in a list: its creation time and id."""

    created_at: float
    id: str


_END = Position(float("-inf"), "")


class Page(NamedTuple):
    """Jobs, and the position after which the list continues; None at its end.

    `is_cut`: it ends here because the archive is away.
    """

    jobs: list[Job]
    last: Position | None
    is_cut: bool = False


Bound = float | str  # of a sorted set's scores, as Redis reads it


def _bounds(search: Search, before: Position | None) -> tuple[Bound, Bound]:
    """The newest and the oldest creation time of a search's jobs older than a position."""
    oldest = "-inf" if search.since is None else search.since
    if before and (search.until is None or before.created_at < search.until):
        return before.created_at, oldest
    return "+inf" if search.until is None else f"({search.until!r}", oldest


class JobListing:
    """Reads the indexes: sorted sets of ids by creation time, one for each value of a facet."""

    def __init__(self, redis: StoreClient) -> None:
        self._redis = redis
        self._read_sets_script = redis.register_script(scripts.read("read_sets"))

    def ids(self, prefix: str) -> list[str]:
        """Jobs whose id or task id begins so. The cost follows the number of keys."""
        pages = self._redis.key_pages(RECORD_PREFIX + prefix, SCANNED)
        found = {key.removeprefix(RECORD_PREFIX) for page in pages for key in page}
        for by_task in self._redis.key_pages(TASK_PREFIX + prefix, SCANNED):
            found |= {job_id.decode() for job_id in self._redis.mget(by_task) if job_id}
        return sorted(found)

    def owners(self, names: Sequence[str]) -> dict[str, str]:
        """The jobs with a record that have these ids, as their own or as BFL's."""
        with self._redis.round_trip() as pipe:
            pipe.mget([TASK_PREFIX + name for name in names])
            for name in names:
                pipe.exists(RECORD_PREFIX + name)
            by_task, *own = pipe.execute()
        found = {name: name for name, exists in zip(names, own, strict=True) if exists}
        return {
            name: job_id.decode() for name, job_id in zip(names, by_task, strict=True) if job_id
        } | found

    def page(self, search: Search, limit: int, before: Position | None) -> Page:
        """Up to `limit` jobs that fit, newest first, older than the position `before`.

        A page that is not full can have a successor: then too many jobs were read for it.
        """
        walked, is_exact = self._smallest(search, before)
        required = search.required_texts()
        found: list[tuple[Position, Job]] = []
        jobs_read, position = 0, before
        while True:
            needed = limit - len(found) + 1
            count = needed if is_exact else max(needed, STRIDE)
            run = self._positions(walked, count, position, search)
            jobs = self.load_jobs([one.id for one in run], required)
            known = ((one, jobs.get(one.id)) for one in run)
            found += [(one, job) for one, job in known if job and search.matches(job)]
            jobs_read += len(run)
            if len(found) > limit:
                return Page([job for _, job in found[:limit]], found[limit - 1][0])
            position = run[-1] if len(run) == count else None
            if position is None or jobs_read >= JOBS_READ_MAX:
                return Page([job for _, job in found], position)

    def _smallest(self, search: Search, before: Position | None) -> tuple[Group, bool]:
        """The group with the fewest jobs, and whether all of its jobs match the search."""
        groups = search.groups()
        if len(groups) == 1:
            return groups[0], search.is_indexed
        newest, oldest = _bounds(search, before)
        with self._redis.round_trip() as pipe:
            for key in (key for group in groups for key in group):
                pipe.zcount(key, oldest, newest)
            sizes = iter(pipe.execute())
        ranked = [(sum(next(sizes) for _ in group), n) for n, group in enumerate(groups)]
        return groups[min(ranked)[1]], False

    def _positions(
        self, group: Group, limit: int, before: Position | None, search: Search
    ) -> list[Position]:
        """The sets of a group are read at one moment and merged."""
        count = limit + bool(before)  # the bound itself is read again
        while True:
            answers = self._read(group, _bounds(search, before), count)
            # Behind the end of a set that was not read to its end, jobs could be missing.
            horizon = max((rows[-1] for rows in answers if len(rows) == count), default=_END)
            merged = sorted({position for rows in answers for position in rows}, reverse=True)
            found = [
                position
                for position in merged
                if position >= horizon and (not before or position < before)
            ]
            # Jobs created in the very same microsecond share a score and may fill the page.
            if len(found) >= limit or horizon == _END:
                return found[:limit]
            count += limit

    def _read(self, group: Group, bounds: tuple[Bound, Bound], count: int) -> list[list[Position]]:
        # Not MULTI, which a full Redis refuses whatever is in it.
        answers = self._read_sets_script(keys=group, args=[*bounds, count])
        return [
            [
                Position(float(at), job_id.decode())
                for job_id, at in zip(rows[::2], rows[1::2], strict=True)
            ]
            for rows in answers
        ]

    def expiring(self, limit: int = EXPIRING_READ_MAX) -> list[Job]:
        """Jobs that are `ready`, those whose URLs expire first."""
        with self._redis.round_trip() as pipe:
            for key in (PENDING_RESCUES, STATUS_PREFIX + Status.READY):
                pipe.zrange(key, 0, EXPIRING_READ_MAX - 1)
            ids = dict.fromkeys(job_id.decode() for found in pipe.execute() for job_id in found)
        ready = [job for job in self.load_jobs([*ids]).values() if job.status is Status.READY]
        return sorted(ready, key=lambda job: job.delivery.expire_at or job.deadline)[:limit]

    def load_jobs(self, job_ids: Sequence[str], required: Sequence[bytes] = ()) -> dict[str, Job]:
        """Load jobs by their ids; missing and unreadable ones are left out.

        So are records that lack a required text.
        """
        found = load_records(self._redis, job_ids, required).items()
        return {job_id: job for job_id, job in found if job}


def load_records(
    redis: StoreClient, job_ids: Iterable[str], required: Sequence[bytes] = ()
) -> dict[str, Job | None]:
    """Load the records with these ids; None stands for an unreadable one."""
    ids = list(dict.fromkeys(job_ids))
    found = redis.mget([RECORD_PREFIX + job_id for job_id in ids]) if ids else []
    records = [(job_id, raw) for job_id, raw in zip(ids, found, strict=True) if raw]
    if required:
        records = [(job_id, raw) for job_id, raw in records if _may_have(raw, required)]
    return {job_id: codec.decode_if_readable(raw) for job_id, raw in records}


def _may_have(record: bytes, required: Sequence[bytes]) -> bool:
    """False if a record surely lacks a text: seen in a quarter of the time that reading it takes.

    Letters beyond ASCII may fold into a text that is not there.
    """
    text = codec.text_of(record).lower()
    return not text.isascii() or rb"\u" in text or all(one in text for one in required)


def longest_wait(ready: Iterable[Job], now: float) -> float:
    """Seconds that the oldest rescue has waited which no worker has begun; 0 when none waits."""
    waiting = (
        job for job in ready if job.lease.work_deadline is not None and not job.polling.attempts
    )
    since = (job.delivery.ready_at for job in waiting if job.delivery.ready_at)
    return max(now - min(since, default=now), 0.0)
