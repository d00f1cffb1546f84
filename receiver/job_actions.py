"""Load, replay and delete jobs, one or a batch: shared by API, dashboard and command line."""

import logging
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import Any

from jobs import batch_actions, delete_and_replay, sidecars
from jobs.bfl import parsing
from jobs.domain import errors
from jobs.domain.job import Job
from jobs.domain.status import Status
from jobs.job_validation import require_metadata
from jobs.services import Services
from jobs.store import erasures
from jobs.store.batch_actions import Action, Batch
from jobs.store.search_conditions import Search
from receiver.auth import current_key_name
from receiver.blocking_calls import run_in_thread
from receiver.ownership import (
    is_visible,
    may_see_jobs_of,
    owner,
    require_changeable,
    restrict_to_visible,
)

log = logging.getLogger(__name__)


def count_text(jobs: int) -> str:
    if jobs == 1:
        return "1 job"
    return f"{jobs:,} jobs"


def load_job(services: Services, job_id: str) -> Job:
    """Load a job that the request may see by its own id or by BFL's. Raises UnknownJob."""
    if not parsing.TASK_ID.fullmatch(job_id):
        raise errors.UnknownJob
    job = services.catalog.load(job_id)
    if job is None or not is_visible(job):
        raise errors.UnknownJob
    return job


def replay_job(services: Services, job_id: str) -> Job:
    """Replay a job that failed, expired or was lost. Raises UnknownJob, WrongStatus."""
    replayed = delete_and_replay.replay(services, load_job(services, job_id))
    if replayed is None:
        raise errors.WrongStatus("only a job that failed, expired or was lost can be replayed")
    return replayed


def change_metadata(services: Services, job: Job, **changes: Any) -> None:
    """Set or remove (None) entries of a job's metadata. Raises OtherKey, Invalid, UnknownJob."""
    require_changeable(job)

    try:
        change = services.catalog.change(job.id, partial(_merge_metadata, changes))
    except ValueError as error:
        raise errors.Invalid([{"field": "metadata", "message": str(error)}]) from None
    if change.after is None:
        raise errors.UnknownJob
    if change.after.status is Status.STORED and change.written:
        update_sidecar(services, job.id)


def _merge_metadata(changes: Mapping[str, Any], job: Job, now: float) -> Job:
    metadata = dict(job.metadata)
    for name, value in changes.items():
        if value is None:
            metadata.pop(name, None)
        else:
            metadata[name] = value
    return job.with_details(now, {"metadata": require_metadata(metadata)})


def update_sidecar(services: Services, job_id: str) -> None:
    """Rewrite the sidecar of a job. A failure leaves a stale one, which `repair` rewrites."""
    try:
        sidecars.update(services.store, services.storage, job_id, run_in_thread)
    except (errors.StorageError, errors.StoreUnavailable) as error:
        log.warning("job %s: its sidecar is stale: %s", job_id, error)


def delete_or_erase(services: Services, job_id: str) -> bool:
    """Delete a job; without a record have the sweep search for its objects, and return False.

    Raises UnknownJob for a text that is no id, and for a key that may not see all jobs; QueueFull.
    """
    if owner() or not parsing.TASK_ID.fullmatch(job_id):
        load_job(services, job_id)  # nobody knows to which key the objects of an unknown job belong
    job = services.catalog.recall(job_id)
    while job is None:
        if erasures.begin(services.store, services.due.erasures, job_id):
            return False
        job = services.catalog.recall(job_id)  # a record came meanwhile
    delete_job(services, job)
    return True


def delete_job(services: Services, job: Job) -> None:
    """Delete a job and its objects. Raises UnknownJob when another request deleted it first."""
    delete_and_replay.delete(services, job, run=run_in_thread)


def cancel_job(services: Services, job_id: str) -> None:
    """Take a queued job back that the request's key submitted.

    Raises UnknownJob, OtherKey, and WrongStatus once it was sent to BFL.
    """
    job = load_job(services, job_id)
    require_changeable(job)
    delete_and_replay.cancel(services, job, run=run_in_thread)


def begin_batch(
    services: Services,
    action: Action,
    search: Search,
    count: int | None,
    ended_since: float | None = None,
) -> Batch:
    """Have the sweep act on all jobs of a search that the request may see.

    The first call, without a count, raises CountRequired, which has the count and the `until` for
    the second one. Raises BadRequest without a filter, CountChanged, TooManyJobs, QueueFull.
    """
    if replace(search, until=None) == Search():
        raise errors.BadRequest("give at least one filter besides `until`: all jobs would match")
    return batch_actions.begin(
        services, action, restrict_to_visible(search), count, current_key_name(), ended_since
    )


def load_batch(services: Services, batch_id: str) -> Batch:
    """Load a batch; with an `own` key only one of its name. Raises UnknownBatch."""
    batch = services.batches.get(batch_id)
    if batch is None or not may_see_jobs_of(batch.key):
        raise errors.UnknownBatch
    return batch
