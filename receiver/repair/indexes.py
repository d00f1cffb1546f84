"""Check indexes: each record is in its sets, and each member of a set has a record."""

from collections.abc import Iterator
from functools import partial

from jobs.services import Services
from jobs.store.indexes import possible_sets
from receiver.repair.finding import Finding


def examine_records(services: Services) -> Iterator[Finding]:
    """Find records that cannot be read or are indexed wrongly."""
    for page in services.consistency.records():
        for job_id, job in page.items():
            if job is None:
                yield Finding(f"job {job_id}", "its record cannot be read")
                continue
            current, keys = services.consistency.compare(job_id)
            if current and keys:
                problem = f"is indexed wrongly: {', '.join(keys)}"
                repair = partial(services.consistency.reindex, current)
                yield Finding(f"job {job_id}", problem, repair)


def examine_members(services: Services) -> Iterator[Finding]:
    """Find members of a sorted set that have no record or do not belong there."""
    for key, ids in services.consistency.members():
        jobs_by_id = services.catalog.load_many(ids)
        for job_id in ids:
            job = jobs_by_id.get(job_id)
            if job_id not in jobs_by_id:
                problem = f"is in {key} and has no record"
            elif job and key not in possible_sets(job):
                problem = f"is in {key}, where it does not belong"
            else:
                continue
            if services.consistency.is_member(key, job_id, job):
                repair = partial(services.consistency.remove_member, key, job_id, job)
                yield Finding(f"job {job_id}", problem, repair)


def examine_task_ids(services: Services) -> Iterator[Finding]:
    """Find task ids of BFL that lead to no record or to that of another task."""
    for page in services.consistency.task_ids():
        jobs_by_id = services.catalog.load_many(page.values())
        for task_id, job_id in page.items():
            job = jobs_by_id.get(job_id)
            if job_id not in jobs_by_id:
                problem = f"leads to job {job_id}, which has no record"
            elif job and task_id != job.task_id:
                problem = f"leads to job {job_id}, which has another task"
            else:
                continue
            repair = partial(services.consistency.remove_task_id, task_id, job_id, job)
            yield Finding(f"task {task_id}", problem, repair)
