"""Retention: delete media and records whose time is over (I11), in small batches.

It runs in a thread of the sweep process, so that a storage that hangs delays no job that is due.
An interrupted deletion is repeated: a record says that its media are deleted only once they are.
"""

import logging
import time

from jobs import sidecars
from jobs.domain.errors import StorageError, UnreadableRecord
from jobs.domain.job import Job
from jobs.domain.retention import Cutoffs, input_deleted, media_deleted
from jobs.services import Services
from jobs.storage.base import MediaStorage
from jobs.storage.layout import companion_keys, job_id_of

POLL_SECONDS = 5.0
BATCH_INTERVAL_SECONDS = 0.05
BATCH = 50
BATCH_SECONDS = 2.0
STORAGE_RETRY_SECONDS = 300.0
NOT_READY_RETRY_SECONDS = 60.0  # of a job with pending notifications
STORAGE_ERRORS_MAX = 3  # of one batch; then the next one waits for POLL_SECONDS

log = logging.getLogger(__name__)


class RetentionCleanup:
    """Cleanup of one sweep process; several may run at once. Raises StoreUnavailable."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._retry_at: dict[str, float] = {}  # by job id or key; the others come first

    def run_batch(self) -> float:
        """Process one batch; return the seconds until the next one."""
        return BATCH_INTERVAL_SECONDS if self.step() else POLL_SECONDS

    def step(self) -> bool:
        """Process one batch; return whether more may be due."""
        cutoffs = self._services.settings.cutoffs(self._services.store.now())
        now, errors, count = time.monotonic(), 0, 0
        self._retry_at = {name: at for name, at in self._retry_at.items() if at > now}
        for name, is_object in self._due(cutoffs):
            if time.monotonic() > now + BATCH_SECONDS or errors == STORAGE_ERRORS_MAX:
                break
            if not self._try_delete(name, cutoffs, is_object=is_object):
                errors += 1
            count += 1
        return count > 0 and not errors

    def _due(self, cutoffs: Cutoffs) -> list[tuple[str, bool]]:
        """Ids of jobs, then (True) keys of objects that have no record any more."""
        services, most = self._services, BATCH + len(self._retry_at)
        job_ids = services.due.ended_with_media.until(max(cutoffs), most)
        job_ids += services.due.ended.until(cutoffs.jobs, most)
        found = [(job_id, False) for job_id in job_ids[:most]]
        found += [(key, True) for key in services.due.orphans.until(cutoffs.media, most)]
        return [one for one in found if one[0] not in self._retry_at]

    def _try_delete(self, name: str, cutoffs: Cutoffs, *, is_object: bool) -> bool:
        """Delete one entry, or try again later; False after a storage error."""
        try:
            if is_object:
                _delete_object(self._services, name)
            elif not _clean_up_job(self._services, name, cutoffs):
                self._retry_at[name] = time.monotonic() + NOT_READY_RETRY_SECONDS
        except StorageError as error:
            log.warning("retention: %s: storage error: %s", name, error)
            self._retry_at[name] = time.monotonic() + STORAGE_RETRY_SECONDS
            return False
        return True


def _clean_up_job(services: Services, job_id: str, cutoffs: Cutoffs) -> bool:
    try:
        job = services.store.load(job_id)
    except UnreadableRecord as error:
        job = None
        log.error("job %s: %s It is kept.", job_id, error)  # noqa: TRY400 - the trace says no more
    if job is None or not job.status.terminal:
        services.due.ended_with_media.remove(job_id)
        services.due.ended.remove(job_id)
        return True
    if job.notifications.pending:  # pending notifications name the media
        return False
    has_objects = bool(job.present_media or job.request.input_files)
    media_due = has_objects and job.end <= cutoffs.media
    after = _delete_media(services, job) if media_due else job
    if after and after.end <= cutoffs.jobs:
        return _delete_record(services, after)
    return media_due


def _delete_media(services: Services, job: Job) -> Job | None:
    """Delete the objects first: as long as the record names them, deletion is tried again."""
    delete_objects(services.storage, job)
    change = services.store.change(job.id, media_deleted)
    for file in job.present_media:  # a concurrent change may have rewritten the sidecars
        for key in companion_keys(file.key):
            services.storage.delete(key)
    log.info("job %s: its media were deleted: their retention is over", job.id)
    return change.after


def delete_objects(media: MediaStorage, job: Job) -> None:
    """Delete a job's media and the objects of its input."""
    for file in job.present_media:
        media.delete_with_companions(file.key)
    _delete_input(media, job)


def _delete_input(media: MediaStorage, job: Job) -> None:
    for file in job.request.input_files:
        media.delete(file.key)


def strip(services: Services, job: Job) -> list[str]:
    """Delete the input; the sidecars of media that stay lose it first. The keys that expire."""
    _delete_input(services.storage, job)
    if job.present_media and (bare := input_deleted(job)) != job:
        sidecars.rewrite(services.storage, bare)
    is_finite = services.settings.retain_media_days is not None
    return [file.key for file in job.present_media] if is_finite else []


def _delete_record(services: Services, job: Job) -> bool:
    left = strip(services, job)
    is_deleted = services.store.delete_unchanged(job, left)
    if is_deleted:
        strip(services, job)  # again: a thumbnail's end may have written the input meanwhile
        log.info("job %s: its record was deleted: its retention is over", job.id)
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
