"""Lists of jobs: pages, newest first, and the jobs whose URLs expire first.

The cost follows the page, not the number of jobs.
"""

import math
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from jobs.domain.job import Job
from jobs.domain.status import Status
from jobs.store.record_reader import load_records
from jobs.store.redis import scripts
from jobs.store.redis.client import StoreClient
from jobs.store.redis.keys import PENDING_RESCUES, RECORD_PREFIX, STATUS_PREFIX, TASK_PREFIX
from jobs.store.search_conditions import Group, Search

# A page ends after this number of jobs, matching or not, so that its cost is bounded.
JOBS_READ_MAX = 1000
READ_AT_ONCE = 250  # jobs, where some may not match
KEYS_SCANNED_AT_ONCE = 5000
# `expiring` reads this number of the jobs that workers would take next, and of the oldest `ready`
# jobs: the jobs at risk are among them.
EXPIRING_READ_MAX = 50


class Position(NamedTuple):
    """The position of a job in a list: its creation time and id."""

    created_at: float
    id: str


_END = Position(-math.inf, "")


class Page(NamedTuple):
    """Jobs, and the position after which the list continues; None at its end.

    `is_cut`: it ends here because the archive is away.
    """

    jobs: list[Job]
    last: Position | None
    is_cut: bool = False


class _Match(NamedTuple):
    """A job that matches a search, and its position in the list."""

    position: Position
    job: Job


class _Bounds(NamedTuple):
    """Creation times between which sorted sets are read, as Redis reads scores."""

    newest: float | str
    oldest: float | str


def _bounds(search: Search, before: Position | None) -> _Bounds:
    """The creation times of a search's jobs that are older than a position."""
    oldest: float | str = "-inf"
    if search.since is not None:
        oldest = search.since
    if search.until is None:
        newest: float | str = "+inf"
    else:
        newest = f"({search.until!r}"  # exclusive
    if before and (search.until is None or before.created_at < search.until):
        newest = before.created_at
    return _Bounds(newest, oldest)


class JobListing:
    """Reads the indexes: sorted sets of ids by creation time, one for each value of a facet."""

    def __init__(self, redis: StoreClient) -> None:
        self._redis = redis
        self._read_sets_script = redis.register_script(scripts.read("read_sets"))

    def ids(self, prefix: str) -> list[str]:
        """Ids of the jobs whose id or task id has this prefix.

        The cost follows the number of keys.
        """
        job_ids: set[str] = set()
        for record_keys in self._redis.key_pages(RECORD_PREFIX + prefix, KEYS_SCANNED_AT_ONCE):
            for record_key in record_keys:
                job_ids.add(record_key.removeprefix(RECORD_PREFIX))
        for task_keys in self._redis.key_pages(TASK_PREFIX + prefix, KEYS_SCANNED_AT_ONCE):
            for job_id in self._redis.mget(task_keys):
                if job_id:
                    job_ids.add(job_id.decode())
        return sorted(job_ids)

    def owners(self, names: Sequence[str]) -> dict[str, str]:
        """Find the jobs with a record by ids, each the job's own or BFL's.

        Returns the id of the job by the name that was looked up.
        """
        with self._redis.round_trip() as pipe:
            pipe.mget([TASK_PREFIX + name for name in names])
            for name in names:
                pipe.exists(RECORD_PREFIX + name)
            ids_by_task, *record_exists = pipe.execute()
        owners: dict[str, str] = {}
        for name, has_record, job_id in zip(names, record_exists, ids_by_task, strict=True):
            if has_record:
                owners[name] = name
            elif job_id:
                owners[name] = job_id.decode()
        return owners

    def page(self, search: Search, limit: int, before: Position | None) -> Page:
        """Up to `limit` jobs that match, newest first, older than the position `before`.

        A page that is not full can have a successor: JOBS_READ_MAX ended it.
        """
        group, is_exact = self._smallest_group(search, before)
        required_texts = search.required_texts()
        matches: list[_Match] = []
        jobs_read = 0
        position = before
        while True:
            missing = limit - len(matches) + 1  # one more than the page: whether the list continues
            count = missing
            if not is_exact:
                count = max(missing, READ_AT_ONCE)
            positions = self._positions(group, count, position, search)
            matches += self._matches(positions, search, required_texts)
            jobs_read += len(positions)
            if len(matches) > limit:
                del matches[limit:]
                return _page(matches, matches[-1].position)
            is_end_of_list = len(positions) < count
            if is_end_of_list:
                return _page(matches, None)
            position = positions[-1]
            if jobs_read >= JOBS_READ_MAX:
                return _page(matches, position)

    def _smallest_group(self, search: Search, before: Position | None) -> tuple[Group, bool]:
        """The group with the fewest jobs, and whether all of its jobs match the search."""
        groups = search.groups()
        if len(groups) == 1:
            return groups[0], search.is_indexed
        bounds = _bounds(search, before)
        with self._redis.round_trip() as pipe:
            for group in groups:
                for key in group:
                    pipe.zcount(key, bounds.oldest, bounds.newest)
            set_sizes = pipe.execute()
        smallest_group = groups[0]
        smallest_size = math.inf
        sets_counted = 0
        for group in groups:
            group_sizes = set_sizes[sets_counted : sets_counted + len(group)]
            sets_counted += len(group)
            if sum(group_sizes) < smallest_size:
                smallest_group = group
                smallest_size = sum(group_sizes)
        return smallest_group, False

    def _positions(
        self, group: Group, limit: int, before: Position | None, search: Search
    ) -> list[Position]:
        """The next positions of a group. Its sets are read at one moment and merged."""
        bounds = _bounds(search, before)
        count = limit
        if before is not None:
            count += 1  # the bound itself is read again
        while True:
            sets = self._read_sets(group, bounds, count)
            horizon = _horizon(sets, count)
            positions = _merge(sets, horizon, before)
            # Jobs created in the very same microsecond share a score and may fill the page.
            if len(positions) >= limit or horizon == _END:
                return positions[:limit]
            count += limit

    def _read_sets(self, group: Group, bounds: _Bounds, count: int) -> list[list[Position]]:
        """Up to `count` positions of each set of a group, the newest first."""
        # Not MULTI, which a full Redis refuses whatever is in it.
        answers = self._read_sets_script(keys=group, args=[bounds.newest, bounds.oldest, count])
        sets: list[list[Position]] = []
        for answer in answers:  # id, creation time, id, creation time ...
            job_ids = answer[::2]
            creation_times = answer[1::2]
            positions = []
            for job_id, created_at in zip(job_ids, creation_times, strict=True):
                positions.append(Position(float(created_at), job_id.decode()))
            sets.append(positions)
        return sets

    def _matches(
        self, positions: Sequence[Position], search: Search, required_texts: Sequence[bytes]
    ) -> list[_Match]:
        jobs = self.load_jobs([position.id for position in positions], required_texts)
        matches = []
        for position in positions:
            job = jobs.get(position.id)
            if job and search.matches(job):
                matches.append(_Match(position, job))
        return matches

    def expiring(self, limit: int = EXPIRING_READ_MAX) -> list[Job]:
        """Jobs that are `ready`, those whose URLs expire first."""
        with self._redis.round_trip() as pipe:
            pipe.zrange(PENDING_RESCUES, 0, EXPIRING_READ_MAX - 1)
            pipe.zrange(STATUS_PREFIX + Status.READY, 0, EXPIRING_READ_MAX - 1)
            pending_ids, oldest_ids = pipe.execute()
        job_ids = [job_id.decode() for job_id in pending_ids + oldest_ids]
        jobs = self.load_jobs(job_ids).values()
        ready = [job for job in jobs if job.status is Status.READY]
        return sorted(ready, key=_expires_at)[:limit]

    def load_jobs(
        self, job_ids: Sequence[str], required_texts: Sequence[bytes] = ()
    ) -> dict[str, Job]:
        """Load jobs by their ids.

        Missing and unreadable records are left out, and records that lack a required text.
        """
        records = load_records(self._redis, job_ids, required_texts)
        return {job_id: job for job_id, job in records.items() if job}


def _page(matches: Sequence[_Match], last: Position | None) -> Page:
    return Page([match.job for match in matches], last)


def _horizon(sets: Sequence[Sequence[Position]], count: int) -> Position:
    """The oldest position up to which no job is missing.

    Behind the end of a set that was not read to its end, jobs could be missing.
    """
    horizon = _END
    for positions in sets:
        is_cut = len(positions) == count
        if is_cut:
            horizon = max(horizon, positions[-1])
    return horizon


def _merge(
    sets: Sequence[Sequence[Position]], horizon: Position, before: Position | None
) -> list[Position]:
    """The positions of all sets up to the horizon, newest first, that are older than `before`."""
    positions: set[Position] = set()
    for positions_of_set in sets:
        for position in positions_of_set:
            is_older = before is None or position < before
            if is_older and position >= horizon:
                positions.add(position)
    return sorted(positions, reverse=True)


def _expires_at(job: Job) -> float:
    """The end of the URL's life; for a job that has no such time its deadline."""
    if job.delivery.expire_at:
        return job.delivery.expire_at
    return job.deadline


def longest_wait(ready: Iterable[Job], now: float) -> float:
    """Seconds of the longest wait among rescues that no worker has begun; 0 if none waits."""
    longest = 0.0
    for job in ready:
        is_waiting = job.lease.work_deadline is not None and not job.polling.attempts
        if is_waiting and job.delivery.ready_at:
            longest = max(longest, now - job.delivery.ready_at)
    return longest
