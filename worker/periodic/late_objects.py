"""Delete objects that late processes wrote of jobs that were deleted before (I12).

Several sweeps may do so at once: what one has deleted the other does not find.
"""

import logging
from collections.abc import Sequence
from itertools import groupby

from jobs.domain.errors import FluxkeepError, UnreadableRecord
from jobs.services import Services
from jobs.storage.layout import (
    ObjectKind,
    companion_keys,
    day_of,
    fencing_token_of,
    job_id_of,
    kind_of,
)
from jobs.store.late_objects import DeletedJob

POLL_SECONDS = 5.0
INTERVAL_SECONDS = 0.05
RETRY_SECONDS = 60.0
BATCH = 500

log = logging.getLogger(__name__)


def step(services: Services) -> float:
    """Look at the deleted jobs that are due; return the seconds until the next step.

    Raises StorageError, StoreUnavailable and ArchiveUnavailable.
    """
    count = delete_due(services, services.store.now())
    return INTERVAL_SECONDS if count == BATCH else POLL_SECONDS


def delete_due(services: Services, now: float) -> int:
    """Look at the deleted jobs that are due at `now`; return their number."""
    notes = services.due.late_objects.members_until(now, BATCH)
    jobs = sorted(map(DeletedJob.parse, notes), key=_day)
    for _, jobs_of_day in groupby(jobs, key=_day):
        _look(services, list(jobs_of_day), now)
    return len(notes)


def _day(deleted: DeletedJob) -> str:
    return day_of(deleted.created_at)


def _look(services: Services, jobs: Sequence[DeletedJob], now: float) -> None:
    """Look for objects of deleted jobs of one day: a directory is read once for all of them."""
    try:
        _delete_late_objects(services, jobs)
    except FluxkeepError:
        for deleted in jobs:
            services.due.late_objects.schedule(deleted.note, now + RETRY_SECONDS)
        raise
    for deleted in jobs:
        services.due.late_objects.schedule(deleted.note, deleted.next_look(now))


def _delete_late_objects(services: Services, jobs: Sequence[DeletedJob]) -> None:
    late = dict[str, list[str]]()
    tokens = dict[str, int]()
    for deleted in jobs:
        tokens[deleted.job_id] = max(deleted.fencing_token, tokens.get(deleted.job_id, 0))
    for listed in services.storage.list_objects_of(tokens, jobs[0].created_at):
        if kind_of(listed.key) is ObjectKind.INPUT:  # which has a note of its own (I23)
            continue
        job_id = job_id_of(listed.key)
        if fencing_token_of(listed.key) <= tokens[job_id]:
            late.setdefault(job_id, []).append(listed.key)
    for job_id, keys in late.items():
        _delete_unless_recorded(services, job_id, keys)


def _delete_unless_recorded(services: Services, job_id: str, keys: Sequence[str]) -> None:
    """Delete late objects, except those that a job which was made anew has or may take over."""
    try:
        job = services.catalog.load(job_id, exactly=True)
    except UnreadableRecord as error:
        log.error("job %s: %s Its objects are kept.", job_id, error)  # noqa: TRY400 - the trace says no more
        return
    if job and not job.status.terminal:
        return
    retained = set[str]()
    for file in job.present_media if job else ():
        retained.update((file.key, *companion_keys(file.key)))
    late = [key for key in keys if key not in retained]
    for key in late:
        services.storage.delete(key)
    if late:
        log.info("job %s: %d late objects deleted; it was deleted before", job_id, len(late))
