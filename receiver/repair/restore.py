"""Restore a lost record from the sidecar next to its media."""

from dataclasses import replace

from jobs import sidecars, thumbnails
from jobs.errors import ForeignObject
from jobs.job import Job
from jobs.services import Services
from jobs.storage.layout import sidecar_key


def read_sidecar(services: Services, key: str) -> Job:
    """The job in the sidecar of an object. Raises ForeignObject."""
    sidecar = sidecar_key(key)
    size = services.storage.size(sidecar)
    if size is None:
        raise ForeignObject("there is none")
    if size > sidecars.SIDECAR_MAX_BYTES:
        raise ForeignObject("it is too large")
    job = sidecars.parse(b"".join(services.storage.read(sidecar)), sidecar)
    if key not in [file.key for file in job.present_media]:
        raise ForeignObject("it does not name this object")
    return job


def is_expired(services: Services, job: Job) -> bool:
    """Whether retention would delete the record at once."""
    return job.end <= services.settings.retention.cutoffs(services.store.now()).jobs


def restore(services: Services, job: Job) -> bool:
    """Write the record unless there is one. Returns whether it was written."""
    restored = _without_foreign_task_id(services, job)

    def create(known: Job | None, now: float) -> Job:
        return known or thumbnails.schedule(replace(restored, version=int(now * 1e6)), now)

    # Not by `load`, which would find another job that has this id as its task id.
    return services.store.update(job.id, create, new=True).written


def _without_foreign_task_id(services: Services, job: Job) -> Job:
    """Drop the task id if another job has it: a sidecar may name any task."""
    owner = services.store.load(job.task_id) if job.task_id else None
    return job if owner is None or owner.id == job.id else replace(job, task_id=None)
