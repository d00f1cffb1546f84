"""Pages of jobs, newest first, over Redis and the archive.

A page is merged from two lists: jobs that Redis has, and rows. Each is whole down to its end. Three
rules merge them:

1. A job that is in both lists counts as Redis has it (I25).
2. A row counts only where its job stands now: one that was deleted and made anew stands elsewhere.
3. The page ends at the nearer end of the two lists: behind it jobs could be missing (I31).

The list from Redis comes in one of two ways. A search by words, seed or hash has no index there and
would have to read each record. It reads only the records whose rows are not proven to be written,
as the rows have all other jobs. Every other search walks through Redis's sets; so does this one
while the rows prove nothing.

Methods raise StoreUnavailable, and ArchiveUnavailable where the archive is needed.
"""

import math
from collections.abc import Iterator, Sequence

from jobs.archive.archive import Archive
from jobs.archive.rows import Row
from jobs.current_jobs import CurrentJobs
from jobs.domain.errors import ArchiveUnavailable
from jobs.domain.job import Job
from jobs.domain.status import TERMINAL
from jobs.store.archiving.archiving_store import ArchivingStore
from jobs.store.archiving.counts import SAME_PASS_SECONDS, ArchivedJobs
from jobs.store.job_store import JobStore
from jobs.store.listing import JobListing, Page, Position
from jobs.store.search_conditions import Search

ROUNDS_MAX = 4  # of reading both lists, for one page
UNPROVEN_MAX = 1000  # records that are read beside the rows
_END = Position(-math.inf, "")


class JobPages:
    """Reads pages; without an archive they are those of Redis alone."""

    def __init__(
        self,
        store: JobStore,
        listing: JobListing,
        archiving: ArchivingStore,
        archive: Archive | None,
    ) -> None:
        self._store = store
        self._listing = listing
        self._archiving = archiving
        self._archive = archive
        self._current_jobs = CurrentJobs(archiving.presences)

    def page(self, search: Search, limit: int, before: Position | None) -> Page:
        """Up to `limit` jobs that fit, newest first, older than the position `before`.

        A page that is not full can have a successor. Redis is read, then rows, then Redis again:
        a job that is evicted or recalled meanwhile is in one of the three readings. While the
        database is away a page ends at the newest of the jobs that only the archive has.
        """
        if self._archive is None or _is_for_jobs_under_way(search):
            return self._listing.page(search, limit, before)
        jobs: list[Job] = []
        position = before
        for _ in range(ROUNDS_MAX):
            free_places = limit - len(jobs)
            try:
                part = self._read_part(self._archive, search, free_places, position)
            except ArchiveUnavailable:
                if not jobs:
                    raise
                return Page(jobs, position, is_cut=True)
            jobs.extend(part.jobs)
            position = part.last
            if part.is_cut:
                return Page(jobs, position, is_cut=True)
            if len(jobs) == limit or position is None:
                break
        return Page(jobs, position)

    def walk(self, search: Search, limit: int) -> Iterator[list[Job]]:
        """All jobs that fit, newest first, page by page; a page may be empty."""
        page = self.page(search, limit, None)
        yield page.jobs
        while page.last is not None:
            page = self.page(search, limit, page.last)
            yield page.jobs

    def _read_part(
        self, archive: Archive, search: Search, limit: int, before: Position | None
    ) -> Page:
        """Jobs without a gap, and the position where they end."""
        if search.reads_records:
            part = self._merge_unproven_jobs(archive, search, limit, before)
            if part is not None:
                return part
        return self._merge_walk(archive, search, limit, before)

    def _merge_walk(
        self, archive: Archive, search: Search, limit: int, before: Position | None
    ) -> Page:
        """Merge a walk through Redis with rows; no row is read where all rows are older."""
        in_redis = self._listing.page(search, limit, before)
        archived = self._archiving.counts.load()  # read last: an evicted job is in both readings
        newest_row_at = math.inf
        if archived is not None:
            newest_row_at = archived.newest
        has_no_rows = newest_row_at == 0
        if has_no_rows or _ends_before_rows(in_redis, newest_row_at):
            if _is_current(archive, archived):
                return in_redis
            # Redis came back older: it does not know the newest of the rows.
            newest_row_at = math.inf
        try:
            rows = archive.page(search, limit + 1, before)
        except ArchiveUnavailable:
            newer_jobs = [job for job in in_redis.jobs if job.created_at > newest_row_at]
            if not newer_jobs:
                raise
            return Page(newer_jobs, _position(newer_jobs[-1]), is_cut=True)
        return self._merge(in_redis, rows, search, limit)

    def _merge_unproven_jobs(
        self, archive: Archive, search: Search, limit: int, before: Position | None
    ) -> Page | None:
        """Merge the jobs whose rows are not proven to be written with the rows, without a walk.

        None where the rows prove nothing: the database was lost or came back older (the sweep
        compares the same times), is away, or lacks too many jobs.
        """
        archived = self._archiving.counts.load()
        now = self._store.now()
        unproven_ids = self._archiving.schedule.unproven_jobs(now, UNPROVEN_MAX)
        if archived is None or unproven_ids is None:
            return None
        unproven_jobs = self._listing.load_jobs(unproven_ids, search.required_texts())
        matching_jobs: list[Job] = []
        for job in unproven_jobs.values():
            is_older = before is None or _position(job) < before
            if is_older and search.matches(job):
                matching_jobs.append(job)
        try:
            if not _knows_last_pass(archive, archived):
                return None
            rows = archive.page(search, limit + 1, before)
        except ArchiveUnavailable:
            return None
        return self._merge(Page(matching_jobs, None), rows, search, limit)

    def _merge(self, in_redis: Page, rows: Sequence[Row], search: Search, limit: int) -> Page:
        """Merge both lists by the three rules above.

        With more rows than `limit` the list of rows goes on after the last of them.
        """
        jobs_by_id = {job.id: job for job in in_redis.jobs}
        rows_to_check = [row for row in rows if row.job.id not in jobs_by_id]
        current_jobs = self._current_jobs.load(rows_to_check)
        for row in rows_to_check:
            job = current_jobs.get(row.job.id)
            if job is None or _position(job) != _position(row.job):
                continue
            if search.matches(job):
                jobs_by_id[job.id] = job
        end_in_redis = _END
        if in_redis.last is not None:
            end_in_redis = in_redis.last
        end_of_rows = _END
        if len(rows) > limit:
            end_of_rows = _position(rows[-1].job)
        end = max(end_in_redis, end_of_rows)
        newest_first = sorted(jobs_by_id.values(), key=_position, reverse=True)
        complete = [job for job in newest_first if _position(job) >= end]
        if len(complete) > limit:
            return Page(complete[:limit], _position(complete[limit - 1]))
        if end == _END:
            return Page(complete, None)
        return Page(complete, end)


def _is_for_jobs_under_way(search: Search) -> bool:
    """Whether no ended job can fit: the archive has no other jobs."""
    return bool(search.statuses) and TERMINAL.isdisjoint(search.statuses)


def _ends_before_rows(page: Page, newest_row_at: float) -> bool:
    """Whether a page ends among jobs that are newer than all rows."""
    return page.last is not None and page.last.created_at > newest_row_at


def _is_current(archive: Archive, archived: ArchivedJobs | None) -> bool:
    """Whether Redis knows of the latest rows, as far as can be told: the database may be away."""
    if archived is None:
        return False
    try:
        return _knows_last_pass(archive, archived)
    except ArchiveUnavailable:
        return True


def _knows_last_pass(archive: Archive, archived: ArchivedJobs) -> bool:
    """Whether Redis has the time of the last rows, by which the sweep notices a loss, too.

    Raises ArchiveUnavailable.
    """
    return abs(archived.last_pass - archive.state().last_pass) <= SAME_PASS_SECONDS


def _position(job: Job) -> Position:
    return Position(job.created_at, job.id)
