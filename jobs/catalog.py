"""Jobs wherever they are: in Redis or in the archive. Only this module and its pages know both.

Redis is the truth about a job for as long as it has its record. Without a database there is only
Redis. Methods raise StoreUnavailable, and ArchiveUnavailable where the archive is needed.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

from jobs.archive.archive import Archive
from jobs.archive.rows import Row
from jobs.current_jobs import CurrentJobs
from jobs.domain.errors import ArchiveUnavailable, Evicted, UnreadableRecord
from jobs.domain.job import Job
from jobs.domain.status import Status
from jobs.job_pages import JobPages
from jobs.store import codec
from jobs.store.archiving.archiving_store import ArchivingStore
from jobs.store.commit import NO_OPTIONS, Change, CommitOptions
from jobs.store.job_store import JobStore
from jobs.store.listing import JobListing, Page, Position
from jobs.store.search_conditions import Search

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
        self._archive_of_callbacks = archive
        if archive_of_callbacks is not None:
            self._archive_of_callbacks = archive_of_callbacks
        self._current_jobs = CurrentJobs(archiving.presences)
        self._pages = JobPages(store, listing, archiving, archive)

    def load(self, job_id: str, *, exactly: bool = False) -> Job | None:
        """Load a job by its id or (unless `exactly`) its task id; None if there is none.

        Without `exactly` the job is only shown: the columns of a row are enough if its record
        cannot be read. Raises UnreadableRecord.
        """
        job = self._store.load(job_id, exactly=exactly)
        if job is not None or self._archive is None:
            return job
        row = self._archive.get(job_id, exactly=exactly)
        if row is None:
            return None
        if exactly:
            _require_complete(row)
        return self._current_jobs.load([row]).get(row.job.id)

    def load_many(self, job_ids: Iterable[str], *, or_new: bool = False) -> dict[str, Job | None]:
        """Load jobs by their ids; None stands for an unreadable record.

        With `or_new` ids that Redis has never heard of are new while the database is away.
        """
        unique_ids = list(dict.fromkeys(job_ids))
        presences = self._archiving.presences.load(unique_ids)
        jobs = dict[str, Job | None]()
        missing_ids: list[str] = []
        for job_id, presence in presences.items():
            if presence.record:
                jobs[job_id] = codec.decode_if_readable(presence.record)
            else:
                missing_ids.append(job_id)
        if self._archive is None or not missing_ids:
            return jobs
        try:
            rows = self._archive.get_many(missing_ids)
        except ArchiveUnavailable:
            had_some_before = any(presences[job_id].tombstone for job_id in missing_ids)
            if not or_new or had_some_before:
                raise
            return jobs
        complete_rows: list[Row] = []
        for row in rows:
            if row.is_complete:
                complete_rows.append(row)
            else:
                jobs[row.job.id] = None
        jobs.update(self._current_jobs.load(complete_rows))
        return jobs

    def find_archived(self, names: tuple[str, ...]) -> Status | None:
        """The status of a job that only the archive has, by its own id or BFL's; None without one.

        A callback needs it before it makes a job: Redis may have lost the tombstone of this one,
        or the tombstone may have expired. It is set again.
        """
        if self._archive_of_callbacks is None:
            return None
        outcomes = self._archive_of_callbacks.outcomes(names)
        presences = self._archiving.presences.load([outcome.job_id for outcome in outcomes])
        for outcome in outcomes:
            presence = presences[outcome.job_id]
            if presence.record is None and not presence.hides(outcome.version):
                self._archiving.moves.restore_tombstone(
                    outcome.job_id, outcome.task_id, outcome.status
                )
                return outcome.status
        return None

    def page(self, search: Search, limit: int, before: Position | None) -> Page:
        """Up to `limit` jobs that fit, newest first, older than the position `before`.

        `jobs/job_pages.py` says how both are merged.
        """
        return self._pages.page(search, limit, before)

    def walk(self, search: Search, limit: int) -> Iterator[list[Job]]:
        """All jobs that fit, newest first, page by page; a page may be empty."""
        return self._pages.walk(search, limit)

    def ids(self, prefix: str) -> list[str]:
        """The ids of all jobs whose id begins with `prefix`, sorted."""
        ids = set(self._listing.ids(prefix))
        if self._archive is not None:
            archived_ids = self._archive.ids(prefix) - ids
            ids.update(self.load_many(archived_ids))
        return sorted(ids)

    def recall(self, job_id: str) -> Job | None:
        """Load a job by either id to change it: one that only the archive has gets a record."""
        job = self._store.load(job_id)
        if job is not None or self._archive is None:
            return job
        row = self._archive.get(job_id)
        if row is None:
            return None
        _require_complete(row)
        if not self._archiving.moves.recall(row.job):
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


def _require_complete(row: Row) -> None:
    """Raises UnreadableRecord: nobody may change or delete a job, or its objects, by columns."""
    if not row.is_complete:
        raise UnreadableRecord
