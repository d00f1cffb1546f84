"""Recovery: find objects that other workers published, and delete superseded ones."""

import logging
import queue
from contextlib import suppress

from jobs import sidecars
from jobs.errors import StorageError, StoreUnavailable
from jobs.job import Job
from jobs.record import MediaFile
from jobs.services import Services
from jobs.status import Status
from jobs.storage.base import MediaStorage
from jobs.storage.layout import ObjectKind, fencing_token_of, file_number_of, kind_of

POLL_SECONDS = 2.0
QUEUE_MAX_JOBS = 1000

log = logging.getLogger(__name__)


def find_files(media: MediaStorage, job: Job) -> dict[int, MediaFile]:
    """Intact published files of a job by number; of several, the highest fencing token wins."""
    found = {}
    for key in _object_keys(media, job):
        file = sidecars.read_file(media, key)
        if file and is_intact(media, file):
            found[file_number_of(key)] = file
    return found


def is_intact(media: MediaStorage, file: MediaFile) -> bool:
    return media.size(file.key) == file.bytes and media.sha256(file.key) == file.sha256


def _object_keys(media: MediaStorage, job: Job) -> list[str]:
    found = media.list_job_objects(job.id, job.created_at)
    return sorted(
        (one.key for one in found if kind_of(one.key) is ObjectKind.MEDIA), key=fencing_token_of
    )


def delete_superseded(services: Services, job: Job) -> None:
    """Delete the objects of a job that has ended, except for those on its record (I11).

    `job` is as its last worker knew it: objects of later claims are not deleted. `repair` deletes
    what is left after a failure.
    """
    with suppress(StoreUnavailable, StorageError):
        after = services.store.load(job.id, exactly=True)
        if after is None or after.status.terminal:
            named = {file.key for file in after.present_media} if after else set[str]()
            if _may_be_restored(services, job, after):
                named |= _described_as_stored(services.storage, job)
            services.storage.delete_superseded(
                job.id, job.created_at, job.check.fencing_token, named
            )


def _may_be_restored(services: Services, job: Job, after: Job | None) -> bool:
    """Whether a replay or a restore may still need objects that were stored before."""
    if after is None:
        return not services.store.is_deleted(job.id)
    return after.status is not Status.STORED


def _described_as_stored(media: MediaStorage, job: Job) -> set[str]:
    return {key for key in _object_keys(media, job) if sidecars.is_stored(media, key)}


class SupersededObjects:
    """Queue of jobs that ended in the sweep and whose superseded objects are to be deleted.

    A thread of its own processes it, so that a storage that hangs delays no job that is due.
    `repair` deletes what it misses, because it was full or the process ended.
    """

    def __init__(self, services: Services) -> None:
        self._services = services
        self._ended: queue.Queue[Job] = queue.Queue(QUEUE_MAX_JOBS)

    def add(self, job: Job) -> None:
        """Queue a job without blocking."""
        try:
            self._ended.put_nowait(job)
        except queue.Full:
            log.warning("job %s: its superseded objects are left to `repair`", job.id)

    def step(self) -> float:
        """Process the queue, then delete abandoned staged files."""
        self.process_queue()
        self._services.storage.staging_directory.delete_abandoned()
        return POLL_SECONDS

    def process_queue(self) -> None:
        while not self._ended.empty():
            delete_superseded(self._services, self._ended.get())
