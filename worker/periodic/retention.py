"""Retention: delete media and records whose time is over (I11), in small batches.

It runs in threads of the sweep process, so that a storage that hangs delays no job that is due.
An interrupted deletion is repeated: a record says that its media are deleted only once they are.
"""

import logging
import time
from collections.abc import Callable
from typing import NamedTuple

from jobs import sidecars
from jobs.archive.archive import Archive
from jobs.domain.errors import ArchiveUnavailable, StorageError, UnreadableRecord
from jobs.domain.job import Job
from jobs.domain.retention import Cutoffs, input_deleted, media_deleted
from jobs.services import Services
from jobs.storage.base import MediaStorage
from jobs.storage.layout import companion_keys, job_id_of

POLL_SECONDS = 5.0
ROWS_POLL_SECONDS = 30.0
BATCH_INTERVAL_SECONDS = 0.05
BATCH = 50
BATCH_SECONDS = 2.0
STORAGE_RETRY_SECONDS = 300.0
NOT_READY_RETRY_SECONDS = 60.0  # of a job with pending notifications
STORAGE_ERRORS_MAX = 3  # of one batch; then the next one waits for POLL_SECONDS

log = logging.getLogger(__name__)

_START = (float("-inf"), "")


class RetentionCleanup:
    """Cleanup of one sweep process; several may run at once. Raises StoreUnavailable."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._retry_at: dict[str, float] = {}  # by job id or key; the others come first

    def run_batch(self) -> float:
        """Process one batch; return the seconds until the next one."""
        if self.step():
            return BATCH_INTERVAL_SECONDS
        return POLL_SECONDS

    def step(self) -> bool:
        """Process one batch; return whether a further one may be due."""
        began_at = time.monotonic()
        cutoffs = self._services.settings.cutoffs(self._services.store.now())
        processed_count = 0
        error_count = 0
        for item in self._due_items(cutoffs):
            is_time_over = time.monotonic() > began_at + BATCH_SECONDS
            if is_time_over or error_count == STORAGE_ERRORS_MAX:
                break
            processed_count += 1
            try:
                self._clean_up(item, cutoffs)
            except StorageError as error:
                log.warning("retention: %s: storage error: %s", item.name, error)
                self._retry_at[item.name] = time.monotonic() + STORAGE_RETRY_SECONDS
                error_count += 1
        return processed_count > 0 and error_count == 0

    def _due_items(self, cutoffs: Cutoffs) -> list["_DueItem"]:
        """The jobs that are due, then the objects that have no record any more."""
        now = time.monotonic()
        for name, retry_at in list(self._retry_at.items()):
            if retry_at <= now:
                del self._retry_at[name]
        due = self._services.due
        limit = BATCH + len(self._retry_at)
        job_ids = due.ended_with_media.members_until(max(cutoffs), limit)
        job_ids += due.ended.members_until(cutoffs.jobs, limit)
        items = [_DueItem(job_id, is_object=False) for job_id in job_ids[:limit]]
        for key in due.orphans.members_until(cutoffs.media, limit):
            items.append(_DueItem(key, is_object=True))
        return [item for item in items if item.name not in self._retry_at]

    def _clean_up(self, item: "_DueItem", cutoffs: Cutoffs) -> None:
        if item.is_object:
            _delete_object(self._services, item.name)
            return
        is_done = _clean_up_job(self._services, item.name, cutoffs)
        if not is_done:
            self._retry_at[item.name] = time.monotonic() + NOT_READY_RETRY_SECONDS


class _DueItem(NamedTuple):
    """A job by its id, or an object by its key."""

    name: str
    is_object: bool


def _clean_up_job(services: Services, job_id: str, cutoffs: Cutoffs) -> bool:
    """Delete the media or the record of a job, if due; False if it has to wait."""
    job: Job | None = None
    try:
        job = services.store.load(job_id)
    except UnreadableRecord as error:
        log.error("job %s: %s It is kept.", job_id, error)  # noqa: TRY400 - the trace says no more
    if job is None or not job.status.terminal:
        services.due.ended_with_media.remove(job_id)
        services.due.ended.remove(job_id)
        return True
    if job.notifications.pending:  # pending notifications name the media
        return False
    after: Job | None = job
    has_objects = bool(job.present_media or job.request.input_files)
    media_due = has_objects and job.end <= cutoffs.media
    if media_due:
        # First the objects: as long as the record names them, deletion is tried again.
        _delete_objects(services.storage, job)
        after = services.store.change(job_id, media_deleted).after
        for file in job.present_media:  # a concurrent change may have rewritten the sidecars
            for key in companion_keys(file.key):
                services.storage.delete(key)
        log.info("job %s: its media were deleted: their retention is over", job_id)
    if after is None or after.end > cutoffs.jobs:
        return media_due
    is_deleted = services.store.delete_unchanged(after, _strip(services, after))
    if is_deleted:
        _strip(services, after)  # again: a thumbnail's end may have written the input meanwhile
        log.info("job %s: its record was deleted: its retention is over", job_id)
    return is_deleted


def _delete_object(services: Services, key: str) -> None:
    """Delete an object, unless a restored record names it or cannot be read."""
    try:
        job = services.catalog.load(job_id_of(key), exactly=True)
    except UnreadableRecord as error:
        log.error("%s: %s It is kept.", key, error)  # noqa: TRY400 - the trace says no more
    else:
        if job is None or key not in job.object_keys:
            services.storage.delete_with_companions(key)
    services.due.orphans.remove(key)


class RowRetention:
    """Retention of jobs that only the archive has: by their rows, as recalls would fill Redis.

    Walks through the rows whose time is over. Raises ArchiveUnavailable, StoreUnavailable.
    """

    def __init__(self, services: Services, archive: Archive) -> None:
        self._services = services
        self._archive = archive
        # Where the last batch ended, by `with_objects`: of rows with objects, and of all rows.
        self._last_position = {True: _START, False: _START}

    def run_batch(self) -> float:
        """Process some rows of each kind; return the seconds until the next batch."""
        cutoffs: Cutoffs = self._services.settings.cutoffs(self._services.store.now())
        refusal: ArchiveUnavailable | None = None
        count = 0
        try:
            count += self._clean(cutoffs.media, self._delete_media, with_objects=True)
        except ArchiveUnavailable as error:  # a full disk refuses rows that change
            refusal = error
        # This makes room on a full disk.
        count += self._clean(cutoffs.jobs, self._delete_row, with_objects=False)
        if refusal:
            raise refusal
        self._archive.erase_traces()
        if count:
            return BATCH_INTERVAL_SECONDS
        return ROWS_POLL_SECONDS

    def _clean(self, cutoff: float, delete: Callable[[Job], None], *, with_objects: bool) -> int:
        """Delete what is due after the last batch; one that fails has its turn in the next walk."""
        if cutoff == float("-inf"):
            return 0
        after = self._last_position[with_objects]
        rows = self._archive.due_for_deletion(cutoff, BATCH, after, with_objects=with_objects)
        self._last_position[with_objects] = _START
        if rows:
            last_job = rows[-1].job
            self._last_position[with_objects] = (last_job.end, last_job.id)
        jobs = [row.job for row in rows if row.is_complete]
        presences = self._services.archiving.presences.load([job.id for job in jobs])
        for job in jobs:
            if presences[job.id].record or presences[job.id].hides(job.version):
                continue  # one that Redis has is due there
            try:
                delete(job)
            except StorageError as error:
                log.warning("retention: %s: storage error: %s", job.id, error)
        return len(jobs)

    def _delete_media(self, job: Job) -> None:
        """Delete the objects first: as long as the row names them, deletion is tried again."""
        _delete_objects(self._services.storage, job)
        now = self._services.store.now()
        changed = media_deleted(job, now).evolve(version=job.next_version(now))
        if self._archive.replace(changed, job.version, now):
            log.info("job %s: its media were deleted: their retention is over", job.id)

    def _delete_row(self, job: Job) -> None:
        for key in _strip(self._services, job):
            self._services.due.orphans.schedule(key, job.end)
        if self._archive.delete([(job.id, job.version)]):
            self._services.archiving.moves.note_deleted_row(job)
            log.info("job %s: its row was deleted: its retention is over", job.id)


def _delete_objects(media: MediaStorage, job: Job) -> None:
    """Delete a job's media and the objects of its input."""
    for file in job.present_media:
        media.delete_with_companions(file.key)
    for file in job.request.input_files:
        media.delete(file.key)


def _strip(services: Services, job: Job) -> list[str]:
    """Delete the input of a job, also from the sidecars of media that stay.

    Returns the keys of the media whose retention ends later.
    """
    for file in job.request.input_files:
        services.storage.delete(file.key)
    job_without_input = input_deleted(job)
    if job.present_media and job_without_input != job:
        sidecars.rewrite(services.storage, job_without_input)
    if services.settings.retain_media_days is None:
        return []
    return [file.key for file in job.present_media]
