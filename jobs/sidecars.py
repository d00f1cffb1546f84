"""The `.json` beside each object, so that a storage explains itself without Redis."""

from collections.abc import Callable
from functools import partial

from jobs.job import Job
from jobs.serializer import sidecar
from jobs.status import Status
from jobs.storage.base import MediaStorage
from jobs.storage.layout import sidecar_key
from jobs.store.job_store import JobStore

RACES_MAX = 10


def describe(media: MediaStorage, job: Job) -> bytes:
    """Write what a job looks like beside each object it has; returns what was written."""
    body = sidecar(job)
    for file in job.media:
        if file.deleted_at is None:
            media.write(sidecar_key(file.key), body)
        else:
            media.delete(sidecar_key(file.key))
    return body


Run = Callable[[Callable[[], bytes]], bytes]


def keep_true(
    store: JobStore, media: MediaStorage, job_id: str, run: Run = lambda call: call()
) -> None:
    """Describe a stored job again after its record was changed, as long as others change it.

    `run` makes the calls that may wait for a bucket.
    """
    with_details, written = None, b""
    for _ in range(RACES_MAX):
        job = store.load(job_id)
        if job is None and with_details:
            run(partial(_take_back, media, with_details))
        if job is None or job.status is not Status.STORED or sidecar(job) == written:
            return
        with_details, written = job, run(partial(_describe_again, media, job))


def _describe_again(media: MediaStorage, job: Job) -> bytes:
    """Nothing is written beside an object that somebody has deleted meanwhile."""
    body = sidecar(job)
    for file in job.media:
        if media.size(file.key) is not None:
            media.write(sidecar_key(file.key), body)
    return body


def _take_back(media: MediaStorage, forgotten: Job) -> bytes:
    for file in forgotten.media:
        media.delete(sidecar_key(file.key))
    return b""
