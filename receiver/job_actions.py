"""Load, replay and delete one job: shared by the API, the dashboard and the command line."""

import logging
from functools import partial
from typing import Any

from jobs import inputs, sidecars
from jobs.bfl import parsing
from jobs.domain import submission
from jobs.domain.errors import (
    Invalid,
    StorageError,
    StoreUnavailable,
    UnknownJob,
    WrongStatus,
)
from jobs.domain.job import Job
from jobs.domain.status import Status
from jobs.request_limits import require_metadata
from jobs.services import Services
from jobs.store import orphan_searches
from receiver.ownership import owner, require_changeable, require_visible
from receiver.thread_pool import run_in_thread

log = logging.getLogger(__name__)


def load_job(services: Services, job_id: str) -> Job:
    """Load a job that the request may see by its own id or by BFL's. Raises UnknownJob."""
    job = services.catalog.load(job_id) if parsing.TASK_ID.fullmatch(job_id) else None
    return require_visible(job)


def replay_job(services: Services, job_id: str) -> Job:
    """Replay a job that failed, expired or was lost. Raises UnknownJob, WrongStatus."""
    known = load_job(services, job_id)
    has_input = known.request.kept_input is not None and inputs.is_complete(known)
    if known.task_id is None and not has_input:
        raise WrongStatus("BFL never accepted this job, and its input was deleted")
    replay = partial(submission.replay, timeouts=services.settings.timeouts)
    change = services.catalog.change(known.id, replay)
    if not change.written or change.after is None:
        raise WrongStatus("only a job that failed, expired or was lost can be replayed")
    return change.after


def change_metadata(services: Services, job: Job, **changes: Any) -> None:
    """Change single entries of a job's metadata; None removes one. As announcing it again does.

    Raises OtherKey, Invalid for more than metadata may have, and UnknownJob.
    """
    require_changeable(job)

    def merge(job: Job, now: float) -> Job:
        entries = {**job.metadata, **changes}.items()
        metadata = {name: value for name, value in entries if value is not None}
        return job.with_details(now, {"metadata": require_metadata(metadata)})

    try:
        change = services.catalog.change(job.id, merge)
    except ValueError as error:
        raise Invalid([{"field": "metadata", "message": str(error)}]) from None
    if change.after is None:
        raise UnknownJob
    if change.after.status is Status.STORED and change.written:
        update_sidecar(services, job.id)


def update_sidecar(services: Services, job_id: str) -> None:
    """A failure leaves a stale sidecar, which `repair` rewrites; the record is changed anyway."""
    try:
        sidecars.update(services.store, services.storage, job_id, run_in_thread)
    except (StorageError, StoreUnavailable) as error:
        log.warning("job %s: its sidecar is stale: %s", job_id, error)


def delete_or_erase(services: Services, job_id: str) -> bool:
    """Delete a job; without a record have the sweep search for its objects, and return False.

    Raises UnknownJob for what is no id, and where not all jobs may be seen; QueueFull.
    """
    if owner() or not parsing.TASK_ID.fullmatch(job_id):
        load_job(services, job_id)  # whose the objects of an unknown job are nobody knows
    while (job := services.catalog.recall(job_id)) is None:
        if orphan_searches.begin(services.store, services.due.orphan_searches, job_id):
            return False
    delete_job(services, job)
    return True


def delete_job(services: Services, job: Job) -> None:
    """Delete a job's media, then its record; after an interruption it can be repeated.

    Raises UnknownJob when another request deleted it meanwhile.
    """
    while not _delete_unchanged(services, job):  # it may have been stored meanwhile
        known = services.catalog.recall(job.id)
        if known is None:
            raise UnknownJob
        job = known
    # A running rescue may have published an object; without the record it cannot commit.
    run_in_thread(
        services.storage.delete_superseded,
        job.id,
        job.created_at,
        job.claim.fencing_token,
        named=(),
    )


def _delete_unchanged(services: Services, job: Job) -> bool:
    for file in (*job.media, *job.request.input_files):
        run_in_thread(services.storage.delete, file.key)
    return services.store.delete(job)
