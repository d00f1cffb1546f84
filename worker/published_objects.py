"""Recovery: find objects that other workers published, and delete superseded ones."""

from contextlib import suppress

from jobs import sidecars
from jobs.domain.errors import ForeignObject, StorageError, StoreUnavailable, UnreadableRecord
from jobs.domain.job import Job
from jobs.domain.job_record import MediaFile
from jobs.domain.status import Status
from jobs.services import Services
from jobs.storage.base import MediaStorage
from jobs.storage.layout import ObjectKind, fencing_token_of, file_number_of, kind_of

POLL_SECONDS = 2.0
BATCH = 100
LATE_WORKER_SECONDS = 60.0  # after the end of a job: a worker that was stopped may still publish


def find_files(media: MediaStorage, job: Job) -> dict[int, MediaFile]:
    """Intact published files of a job by number; of several, the highest fencing token wins."""
    files = dict[int, MediaFile]()
    for key in _object_keys(media, job):
        file = sidecars.read_file(media, key)
        if file and is_intact(media, file):
            files[file_number_of(key)] = file
    return files


def find_stored(media: MediaStorage, job: Job) -> Job | None:
    """The job by the sidecar of a whole, stored result; None unless all its files are intact."""
    for key in reversed(_object_keys(media, job)):
        with suppress(ForeignObject):
            stored = sidecars.read(media, key)
            if all(is_intact(media, file) for file in stored.present_media):
                return stored
    return None


def is_intact(media: MediaStorage, file: MediaFile) -> bool:
    return media.size(file.key) == file.bytes and media.sha256(file.key) == file.sha256


def _object_keys(media: MediaStorage, job: Job) -> list[str]:
    """The keys of a job's published files, the lowest fencing token first."""
    keys = list[str]()
    for listed in media.list_objects_of((job.id,), job.created_at):
        if kind_of(listed.key) is ObjectKind.MEDIA:
            keys.append(listed.key)
    return sorted(keys, key=fencing_token_of)


def delete_superseded(services: Services, job: Job) -> None:
    """Delete the objects of a job that has ended, except for those on its record (I11).

    `job` is as its last worker knew it: objects of later claims are not deleted. The sweep deletes
    what is left after a failure.
    """
    with suppress(StoreUnavailable, StorageError):
        _delete_superseded(services, job)


def _delete_superseded(services: Services, job: Job) -> None:
    media = services.storage
    present = services.store.load(job.id, exactly=True)
    tombstone: str | None = None
    retained_keys = set[str]()
    is_stored = False
    if present is None:
        tombstone = services.store.tombstone(job.id)
        if tombstone:  # only the archive knows which of them are the job's (I32)
            return
    else:
        if not present.status.terminal:
            return
        is_stored = present.status is Status.STORED
        retained_keys.update(file.key for file in present.present_media)
    is_deleted = tombstone is not None
    if not is_stored and not is_deleted:
        # A replay or a restore may still need objects that were stored before.
        for key in _object_keys(media, job):
            if sidecars.is_stored(media, key):
                retained_keys.add(key)
    media.delete_superseded(job.id, job.created_at, job.lease.fencing_token, retained_keys)


def delete_left_objects(services: Services) -> float:
    """Delete what killed or late workers left of jobs that have ended; return a pause in seconds.

    The last worker deletes it too, at once, but may be killed before it does.
    """
    now = services.store.now()
    for job_id in services.due.superseded.members_until(now - LATE_WORKER_SECONDS, BATCH):
        try:
            job = services.store.load(job_id)
            if job:
                _delete_superseded(services, job)
        except (StorageError, UnreadableRecord):
            services.due.superseded.schedule(job_id, now)
            raise
        services.due.superseded.remove(job_id)
    services.storage.staging_directory.delete_abandoned()
    return POLL_SECONDS
