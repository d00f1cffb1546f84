"""Retention of jobs that only the archive has: by their rows, as recalls would fill Redis."""

import logging
from collections.abc import Callable, Iterator

from jobs.archive.archive import Archive
from jobs.domain.errors import StorageError
from jobs.domain.job import Job
from jobs.domain.retention import Cutoffs, media_deleted
from jobs.services import Services
from worker.periodic.retention import delete_objects, strip

POLL_SECONDS = 30.0
BATCH_INTERVAL_SECONDS = 0.05
BATCH = 50

log = logging.getLogger(__name__)

_START = (float("-inf"), "")


class RowRetention:
    """Walks through the rows whose time is over. Raises ArchiveUnavailable, StoreUnavailable."""

    def __init__(self, services: Services, archive: Archive) -> None:
        self._services, self._archive = services, archive
        self._after = {True: _START, False: _START}  # with objects, and all

    def run_batch(self) -> float:
        """Process some rows of each kind; return the seconds until the next batch."""
        cutoffs: Cutoffs = self._services.settings.cutoffs(self._services.store.now())
        found = self._clean(cutoffs.media, self._delete_media, with_objects=True)
        found += self._clean(cutoffs.jobs, self._delete_row, with_objects=False)
        return BATCH_INTERVAL_SECONDS if found else POLL_SECONDS

    def _clean(self, cutoff: float, delete: Callable[[Job], None], *, with_objects: bool) -> int:
        """Delete what is due after the last batch; one that fails has its turn in the next walk."""
        jobs = list(self._due(cutoff, with_objects=with_objects))
        known = self._services.archive_moves.known_jobs([job.id for job in jobs])
        for job in jobs:
            if known[job.id].record or known[job.id].hides(job.version):
                continue  # one that Redis has is due there
            try:
                delete(job)
            except StorageError as error:
                log.warning("retention: %s: storage error: %s", job.id, error)
        return len(jobs)

    def _due(self, cutoff: float, *, with_objects: bool) -> Iterator[Job]:
        if cutoff == float("-inf"):
            return
        after = self._after[with_objects]
        rows = self._archive.due_for_deletion(cutoff, BATCH, after, with_objects=with_objects)
        last = rows[-1].job if rows else None
        self._after[with_objects] = (last.end, last.id) if last else _START
        yield from (row.job for row in rows if row.is_complete)

    def _delete_media(self, job: Job) -> None:
        """Delete the objects first: as long as the row names them, deletion is tried again."""
        delete_objects(self._services.storage, job)
        now = self._services.store.now()
        changed = media_deleted(job, now).evolve(version=job.next_version(now))
        if self._archive.replace(changed, job.version, now):
            log.info("job %s: its media were deleted: their retention is over", job.id)

    def _delete_row(self, job: Job) -> None:
        for key in strip(self._services, job):
            self._services.due.orphans.schedule(key, job.end)
        if self._archive.delete([(job.id, job.version)]):
            self._services.archive_moves.leave(job)
            log.info("job %s: its row was deleted: its retention is over", job.id)
