"""Restore a lost record from the sidecar next to its media."""

from dataclasses import replace

from jobs import thumbnails
from jobs.job import Job
from jobs.services import Services


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
