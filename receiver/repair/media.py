"""Check media of stored jobs: each file, thumbnail and sidecar exists as recorded."""

from collections.abc import Iterator
from functools import partial

from jobs import sidecars
from jobs.domain import retention, thumbnail_schedule
from jobs.domain.errors import ForeignObject
from jobs.domain.job import Job
from jobs.domain.job_record import MediaFile
from jobs.domain.status import Status
from jobs.services import Services
from jobs.storage.layout import companion_keys, sidecar_key
from jobs.store.search_conditions import Search
from receiver.repair.finding import Finding

PAGE_SIZE = 200  # jobs


def examine(services: Services, *, verify_bytes: bool) -> Iterator[Finding]:
    for page in services.consistency.records():
        for job in page.values():
            if job is None or job.status is not Status.STORED:
                continue
            for file in job.present_media:
                yield from _examine_file(services, job, file, verify_bytes=verify_bytes)
    if verify_bytes and services.archive:  # which may have the jobs of years
        yield from _examine_archived(services)


def _examine_archived(services: Services) -> Iterator[Finding]:
    """The files of jobs that only the archive has, without thumbnails and sidecars."""
    for page in services.catalog.walk(Search(statuses=(Status.STORED,)), PAGE_SIZE):
        presences = services.archiving.presences.load([job.id for job in page])
        for job in page:
            if presences[job.id].record is not None:
                continue
            for file in job.present_media:
                yield from _examine_file(
                    services, job, file, verify_bytes=True, has_companions=False
                )


def _examine_file(
    services: Services,
    job: Job,
    file: MediaFile,
    *,
    verify_bytes: bool,
    has_companions: bool = True,
) -> Iterator[Finding]:
    problem = _problem(services, file, verify_bytes=verify_bytes)
    if problem and not _recorded(services, job.id, file.key):
        return  # deleted meanwhile, together with its record
    if problem == "is gone":
        yield Finding(file.key, problem, partial(_mark_missing, services, job.id, file.key))
        return
    if problem:
        yield Finding(file.key, problem)
    if not has_companions:
        return
    thumbnail = file.thumbnail
    if thumbnail:
        problem = _problem(services, thumbnail, verify_bytes=verify_bytes)
        if problem:
            repair = partial(_redo_thumbnail, services, job.id, thumbnail)
            yield Finding(thumbnail.key, problem, repair)
    if not _has_current_sidecar(services, job.id, file.key):
        repair = partial(_write_sidecars, services, job.id)
        yield Finding(sidecar_key(file.key), "is missing or stale", repair)


def _problem(services: Services, file: MediaFile, *, verify_bytes: bool) -> str:
    """The problem with a file; empty when it is as recorded."""
    size = services.storage.size(file.key)
    if size is None:
        return "is gone"
    if size != file.bytes:
        return f"has {size} bytes instead of {file.bytes}"
    if verify_bytes and services.storage.sha256(file.key) != file.sha256:
        return "has a wrong SHA-256"
    return ""


def _recorded(services: Services, job_id: str, key: str) -> Job | None:
    """The job as it is now, if it still has this file."""
    job = services.catalog.load(job_id, exactly=True)
    if job is None:
        return None
    present_keys = [file.key for file in job.present_media]
    if key not in present_keys:
        return None
    return job


def _mark_missing(services: Services, job_id: str, key: str) -> bool:
    """Record that a file is missing, and remove its companions."""
    if services.storage.size(key) is not None:
        return False
    change = services.catalog.change(job_id, partial(retention.media_missing, keys={key}))
    for companion in companion_keys(key):
        services.storage.delete(companion)
    _write_sidecars(services, job_id)
    return change.written


def _redo_thumbnail(services: Services, job_id: str, thumbnail: MediaFile) -> bool:
    """Make the thumbnail due again, unless the problem is gone."""
    if not _problem(services, thumbnail, verify_bytes=True):
        return False
    change = services.store.change(job_id, partial(thumbnail_schedule.remove, thumbnail=thumbnail))
    _write_sidecars(services, job_id)
    return change.written


def _has_current_sidecar(services: Services, job_id: str, key: str) -> bool:
    """Compare the sidecar with the current record, which may have changed since it was listed.

    Its timeline may end earlier: notifications and late callbacks are not written into sidecars.
    """
    job = _recorded(services, job_id, key)
    if job is None:
        return True
    try:
        described = sidecars.read(services.storage, key)
    except ForeignObject:
        return False
    with_timeline = described.evolve(timeline=job.timeline, updated_at=job.updated_at)
    return sidecars.render(with_timeline) == sidecars.render(job)


def _write_sidecars(services: Services, job_id: str) -> bool:
    sidecars.update(services.store, services.storage, job_id)
    return True
