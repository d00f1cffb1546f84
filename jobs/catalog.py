"""Jobs wherever they are: the only module that knows both Redis and the archive.

Redis is the truth about a job for as long as it has its record. Without a database there is only
Redis. Methods raise StoreUnavailable, and ArchiveUnavailable where the archive is needed.
"""

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TypeVar

from jobs.archive.archive import Archive
from jobs.archive.rows import Row
from jobs.domain.errors import ArchiveUnavailable, Evicted, UnreadableRecord
from jobs.domain.job import Job
from jobs.domain.status import TERMINAL, Status
from jobs.store import codec
from jobs.store.archiving.archiving_store import ArchivingStore
from jobs.store.archiving.counts import SAME_PASS_SECONDS, ArchivedJobs
from jobs.store.commit import NO_OPTIONS, Change, CommitOptions
from jobs.store.job_store import JobStore
from jobs.store.listing import JobListing, Page, Position
from jobs.store.search_conditions import Search

ROUNDS_MAX = 4  # of reading both, for one page
UNPROVEN_MAX = 1000  # records that are read beside the rows
_END = Position(-math.inf, "")

After = TypeVar("After", bound=Job | None)


class Catalog:
    """Reads, recalls and changes jobs."""

    def __init__(
        self,
        store: JobStore,
        listing: JobListing,
        archiving: ArchivingStore,
        archive: Archive | None,
        archive_of_callbacks: Archive | None = None,
    ) -> None:
        """`archive_of_callbacks` has a connection of its own, for which no reader waits."""
        self._store = store
        self._listing = listing
        self._archiving = archiving
        self._archive = archive
        self._archive_of_callbacks = archive_of_callbacks or archive

    def load(self, job_id: str, *, exactly: bool = False) -> Job | None:
        """Load a job by its id or (unless `exactly`) its task id; None if there is none.

        Raises UnreadableRecord. To be shown, and not `exactly`, a row's columns are enough.
        """
        job = self._store.load(job_id, exactly=exactly)
        if job or not self._archive:
            return job
        row = self._archive.get(job_id, exactly=exactly)
        if exactly:
            _require_complete(row)
        return self._current([row]).get(row.job.id) if row else None

    def load_many(self, job_ids: Iterable[str], *, or_new: bool = False) -> dict[str, Job | None]:
        """Load jobs by their ids; None stands for an unreadable record.

        With `or_new` ids that Redis has never heard of are new while the database is away.
        """
        known = self._archiving.presences.load(list(dict.fromkeys(job_ids)))
        hot = {
            name: codec.decode_if_readable(one.record) for name, one in known.items() if one.record
        }
        missing = [name for name in known if name not in hot]
        if not (self._archive and missing):
            return hot
        try:
            rows = self._archive.get_many(missing)
        except ArchiveUnavailable:
            if not or_new or any(known[name].tombstone for name in missing):
                raise
            return hot
        unreadable = {row.job.id: None for row in rows if not row.is_complete}
        return {**hot, **unreadable, **self._current([row for row in rows if row.is_complete])}

    def _current(self, rows: Sequence[Row]) -> dict[str, Job]:
        """The jobs of rows: as Redis has them, if it does (I25); without deleted ones (I27)."""
        known = self._archiving.presences.load([row.job.id for row in rows])
        found = {}
        for row in rows:
            job, one = row.job, known[row.job.id]
            if one.record is not None:
                if hot := codec.decode_if_readable(one.record):
                    found[job.id] = hot
            elif not one.hides(job.version):
                found[job.id] = job
        return found

    def find_archived(self, names: tuple[str, ...]) -> Status | None:
        """The status of a job that only the archive has, by its own id or BFL's; None without one.

        For a callback that would make the job anew, as Redis has lost its tombstone or dropped it
        in time. The tombstone is set again.
        """
        if self._archive_of_callbacks is None:
            return None
        outcomes = self._archive_of_callbacks.outcomes(names)
        known = self._archiving.presences.load([outcome.job_id for outcome in outcomes])
        for outcome in outcomes:
            in_redis = known[outcome.job_id]
            if in_redis.record is None and not in_redis.hides(outcome.version):
                self._archiving.moves.restore_tombstone(
                    outcome.job_id, outcome.task_id, outcome.status
                )
                return outcome.status
        return None

    def page(self, search: Search, limit: int, before: Position | None) -> Page:
        """Up to `limit` jobs that fit, newest first, older than the position `before`.

        A page that is not full can have a successor. Read are Redis, then rows, then Redis: a job
        that is evicted or recalled meanwhile is in one of them. While the database is away a page
        ends at the newest of the jobs that only the archive has.
        """
        if not self._archive or (search.statuses and TERMINAL.isdisjoint(search.statuses)):
            return self._listing.page(search, limit, before)
        found = Page([], before)
        for _ in range(ROUNDS_MAX):
            try:
                more = self._round(self._archive, search, limit - len(found.jobs), found.last)
            except ArchiveUnavailable:
                if not found.jobs:
                    raise
                return found._replace(is_cut=True)
            found = Page(found.jobs + more.jobs, more.last, more.is_cut)
            if len(found.jobs) == limit or found.last is None or found.is_cut:
                break
        return found

    def _round(self, archive: Archive, search: Search, limit: int, before: Position | None) -> Page:
        """Jobs in a row, and the position up to which none is missing."""
        if search.reads_records and (found := self._by_rows(archive, search, limit, before)):
            return found
        hot = self._listing.page(search, limit, before)
        cold = self._archiving.counts.load()  # read last: what was evicted meanwhile is in both
        newest = cold.newest if cold else math.inf
        is_newer_than_rows = hot.last is not None and hot.last.created_at > newest
        if newest == 0 or is_newer_than_rows:
            if _is_current(archive, cold):
                return hot
            newest = math.inf  # Redis came back older: it does not know the newest of the rows
        try:
            rows = archive.page(search, limit + 1, before)
        except ArchiveUnavailable:
            newer = [job for job in hot.jobs if job.created_at > newest]
            if not newer:
                raise
            return Page(newer, _position(newer[-1]), is_cut=True)
        return self._merged(hot, rows, search, limit)

    def _by_rows(
        self, archive: Archive, search: Search, limit: int, before: Position | None
    ) -> Page | None:
        """The same without a walk through Redis: rows prove all of its jobs but the latest.

        None where they do not: a database was lost or came back older (the sweep compares the
        same times), is away, or lacks too many jobs.
        """
        cold = self._archiving.counts.load()
        unproven = self._archiving.schedule.unproven_jobs(self._store.now(), UNPROVEN_MAX)
        if cold is None or unproven is None:
            return None
        loaded = self._listing.load_jobs(unproven, search.required_texts()).values()
        older = (job for job in loaded if before is None or _position(job) < before)
        hot = Page([job for job in older if search.matches(job)], None)
        try:
            if not _knows_last_pass(archive, cold):
                return None
            rows = archive.page(search, limit + 1, before)
        except ArchiveUnavailable:
            return None
        return self._merged(hot, rows, search, limit)

    def _merged(self, hot: Page, rows: Sequence[Row], search: Search, limit: int) -> Page:
        jobs = {job.id: job for job in hot.jobs}
        current = self._current([row for row in rows if row.job.id not in jobs])
        # A job that was made anew after its deletion has another place than its row.
        places = {row.job.id: _position(row.job) for row in rows}
        jobs |= {
            name: job
            for name, job in current.items()
            if search.matches(job) and _position(job) == places[name]
        }
        ordered = sorted(jobs.values(), key=_position, reverse=True)
        # I31: behind the nearer end of what was read in full, jobs could be missing.
        rows_end = _position(rows[-1].job) if len(rows) > limit else _END
        end = max(hot.last or _END, rows_end)
        complete = [job for job in ordered if _position(job) >= end]
        if len(complete) > limit:
            return Page(complete[:limit], _position(complete[limit - 1]))
        return Page(complete, None if end == _END else end)

    def walk(self, search: Search, limit: int) -> Iterator[list[Job]]:
        """All jobs that fit, newest first, page by page; a page may be empty."""
        page = self.page(search, limit, None)
        yield page.jobs
        while page.last is not None:
            page = self.page(search, limit, page.last)
            yield page.jobs

    def ids(self, prefix: str) -> list[str]:
        found = set(self._listing.ids(prefix))
        if self._archive:
            found |= self.load_many(self._archive.ids(prefix) - found).keys()
        return sorted(found)

    def recall(self, job_id: str) -> Job | None:
        """Load a job by either id to change it: one that only the archive has gets a record."""
        job = self._store.load(job_id)
        if job or not self._archive:
            return job
        row = self._archive.get(job_id)
        _require_complete(row)
        if row is None or not self._archiving.moves.recall(row.job):
            return None
        return self._store.load(row.job.id, exactly=True)

    def change(
        self, job_id: str, step: Callable[[Job, float], Job], options: CommitOptions = NO_OPTIONS
    ) -> Change[Job | None]:
        """Change a job by its own id; without one nothing is written and both are None."""
        change = self._store.change(job_id, step, options)
        if change.before is None and self.recall(job_id):
            return self._store.change(job_id, step, options)
        return change

    def recalling(self, job_id: str, write: Callable[[], Change[After]]) -> Change[After]:
        """Call `write`, and again with the record of a job that only the archive has."""
        try:
            return write()
        except Evicted:
            recalled = self.recall(job_id)
        if recalled and recalled.id != job_id:  # `write` would make a second job of this task
            raise ArchiveUnavailable("the job came back under its own id: send the request again")
        try:
            return write()
        except Evicted:
            raise ArchiveUnavailable("the archive, which has this job, does not give it") from None


def _is_current(archive: Archive, cold: ArchivedJobs | None) -> bool:
    """Whether Redis knows of the latest rows, as far as can be told: the database may be away."""
    try:
        return cold is not None and _knows_last_pass(archive, cold)
    except ArchiveUnavailable:
        return True


def _knows_last_pass(archive: Archive, cold: ArchivedJobs) -> bool:
    """Whether Redis has the time of the last rows, by which the sweep notices a loss, too.

    Raises ArchiveUnavailable.
    """
    return abs(cold.last_pass - archive.state().last_pass) <= SAME_PASS_SECONDS


def _require_complete(row: Row | None) -> None:
    """Raises UnreadableRecord: nobody may change or delete a job, or its objects, by columns."""
    if row and not row.is_complete:
        raise UnreadableRecord


def _position(job: Job) -> Position:
    return Position(job.created_at, job.id)
