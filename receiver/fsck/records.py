"""Each record: does it stand where it should, and are its media there and explained?"""

from collections.abc import Iterator
from functools import partial

from jobs import retention, sidecars
from jobs.job import Job
from jobs.kept import Kept
from jobs.media import companions, sidecar_key
from jobs.portrait import sidecar
from jobs.services import Services
from jobs.states import State
from receiver.fsck import thumbnails
from receiver.fsck.digest import sha256
from receiver.fsck.finding import Finding

UNREADABLE = "its record cannot be read"


def look(services: Services, *, verify_bytes: bool) -> Iterator[Finding]:
    for page in services.ledger.entries():
        for entry in page:
            if entry.job is None:
                yield Finding(f"job {entry.id}", UNREADABLE)
                continue
            yield from _places(services, entry.id)
            if entry.job.state is State.STORED:
                yield from _media(services, entry.job, verify_bytes=verify_bytes)


def _places(services: Services, job_id: str) -> Iterator[Finding]:
    job, wrong = services.ledger.faults(job_id)
    if job and wrong:
        said = f"does not stand in Redis as its record says: {', '.join(wrong)}"
        yield Finding(f"job {job_id}", said, partial(services.ledger.settle, job))


def _media(services: Services, job: Job, *, verify_bytes: bool) -> Iterator[Finding]:
    for file in job.kept:
        size = services.media.size(file.key)
        if size is None:
            if _is_named(services, job, file.key):
                yield Finding(file.key, "is gone", partial(_give_up, services, job.id, file.key))
        elif size != file.bytes:
            yield Finding(file.key, f"has {size} bytes instead of {file.bytes}")
        elif verify_bytes and sha256(services.media, file.key) != file.sha256:
            yield Finding(file.key, "has other bytes than the ones that were stored")
        if size is not None:
            yield from thumbnails.look(services, job, file, verify_bytes=verify_bytes)
        if size is not None and not _is_explained(services, job, file):
            yield from _unexplained(services, job.id, file.key)


def _is_named(services: Services, job: Job, key: str) -> bool:
    """Still: it may have been deleted together with its record."""
    now = services.store.load(job.id)
    return now is not None and key in [file.key for file in now.kept]


def _give_up(services: Services, job_id: str, key: str) -> bool:
    """The job says since when a file is missing; nothing is left that tells of it."""
    if services.media.size(key) is not None:
        return False

    def missing(job: Job | None, now: float) -> Job | None:
        return job and retention.media_missing(job, now, {key})

    change = services.store.change(job_id, missing)
    for each in companions(key):
        services.media.remove(each)
    sidecars.keep_true(services.store, services.media, job_id)
    return change.written


def _unexplained(services: Services, job_id: str, key: str) -> Iterator[Finding]:
    """Looked at again: a job that was just changed is described a moment later."""
    job = services.store.load(job_id)
    named = [file for file in job.kept if file.key == key] if job else []
    if job and named and not _is_explained(services, job, named[0]):
        yield Finding(sidecar_key(key), "is missing or stale", partial(_explain, services, job_id))


def _explain(services: Services, job_id: str) -> bool:
    sidecars.keep_true(services.store, services.media, job_id)
    return True


def _is_explained(services: Services, job: Job, file: Kept) -> bool:
    key, body = sidecar_key(file.key), sidecar(job)
    if services.media.size(key) != len(body):
        return False
    return b"".join(services.media.read(key)) == body
