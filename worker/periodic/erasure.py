"""Erasure: delete the objects of jobs that were deleted when they had no record any more.

The names of objects begin with a day, so that every day is searched. Several sweeps may do so at
once: an object that another sweep has deleted is not found.
"""

import logging
import random

from jobs.domain.retention import DAY_SECONDS
from jobs.services import Services
from jobs.storage.layout import day_of
from jobs.store import erasures
from jobs.store.erasures import ERASURES_MAX

POLL_SECONDS = 5.0
INTERVAL_SECONDS = 0.05
DAYS = 50  # of one job, before the next one's turn

log = logging.getLogger(__name__)


def step(services: Services) -> float:
    """Search some days for each job; return the seconds until the next step.

    Raises StorageError, StoreUnavailable and UnreadableRecord: this step ends there.
    """
    under_way = services.due.erasures.earliest(ERASURES_MAX)
    random.shuffle(under_way)  # a job that fails again and again stops others for a step at most
    for job_id, first in under_way:
        end = services.store.now() + 2 * DAY_SECONDS
        until = min(first + DAYS * DAY_SECONDS, end)
        days = range(int(first), int(until), int(DAY_SECONDS))
        deleted_count = 0
        for day in days:
            deleted_count += _delete_objects(services, job_id, day)
        if deleted_count:
            log.info("job %s: %d objects erased; it had no record", job_id, deleted_count)
        if days:
            erasures.advance(services.store, job_id, days[-1] + DAY_SECONDS)
        else:
            services.due.erasures.remove(job_id)
            log.info("job %s: erased; the whole storage was searched", job_id)
    if under_way:
        return INTERVAL_SECONDS
    return POLL_SECONDS


def _delete_objects(services: Services, job_id: str, day: float) -> int:
    """Delete the objects of one day, unless a job that was made anew may have written them."""
    objects = list(services.storage.list_objects_of((job_id,), day))
    if not objects:
        return 0
    job = services.catalog.load(job_id, exactly=True)
    if job and day_of(job.created_at) == day_of(day):
        return 0
    noted_keys = services.due.noted_inputs()  # a request may be writing its record
    for listed in objects:
        if listed.key not in noted_keys:
            services.storage.delete(listed.key)
            services.due.orphans.remove(listed.key)
    return len(objects)
