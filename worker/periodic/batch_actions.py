"""Batches: delete, replay or notify of the jobs of each, some at a time, wherever they are.

It runs in a thread of the sweep process, so that a storage that hangs delays no job that is due.
Any step may be killed and repeated, and several sweeps may take the same one at once.
"""

import logging
from collections.abc import Iterable
from contextlib import suppress
from functools import partial

from jobs import batch_actions, delete_and_replay
from jobs.domain import errors
from jobs.domain.job import Job
from jobs.services import Services
from jobs.storage import layout
from jobs.store.batch_actions import Action, Batch, FailedJob, count_done

POLL_SECONDS = 1.0
INTERVAL_SECONDS = 0.05
RETRY_SECONDS = 5.0
PAGE = 100
PROBE_BYTES = 1

log = logging.getLogger(__name__)


def step(services: Services) -> float:
    """Work off a page of each batch; return a pause in seconds. Raises StoreUnavailable."""
    under_way = services.batches.under_way()
    has_advanced = False
    for batch in under_way:
        if batch.search is None:
            continue
        try:
            page = services.catalog.page(batch.search, PAGE, batch.position)
            failed = _act(services, batch, page.jobs)
        except (errors.ArchiveUnavailable, errors.StorageError) as error:
            log.warning("batch %s waits: %s", batch.id, error)
            services.batches.wait(batch, str(error))
        else:
            services.batches.advance(batch, page.last, failed, services.store.now())
            has_advanced = True
    if not under_way:
        return POLL_SECONDS
    if has_advanced:
        return INTERVAL_SECONDS
    return RETRY_SECONDS


def _act(services: Services, batch: Batch, jobs: Iterable[Job]) -> list[FailedJob]:
    """Raises ArchiveUnavailable, StoreUnavailable, and StorageError while the storage is away."""
    superseded_keys = dict[str, list[str]]()
    if batch.action is Action.DELETE:
        superseded_keys = _superseded(services, jobs)
    failed = list[FailedJob]()
    for job in jobs:
        if not services.batches.is_under_way(batch.id):
            break
        try:
            _act_on(services, batch, job, superseded_keys.get(job.id))
        except errors.StoreUnavailable:
            raise
        except errors.StorageError as error:
            services.storage.probe(PROBE_BYTES)  # is it this job's object, or all of them?
            failed.append(FailedJob(job.id, str(error)))
        except errors.FluxkeepError as error:
            failed.append(FailedJob(job.id, str(error)))
        except Exception as error:  # noqa: BLE001 - it concerns this job alone
            # Its text is not logged: it may hold secrets.
            log.error("job %s: unexpected %s", job.id, type(error).__name__)  # noqa: TRY400
            failed.append(FailedJob(job.id, "an unexpected error occurred; the log has more"))
    return failed


def _superseded(services: Services, jobs: Iterable[Job]) -> dict[str, list[str]]:
    """Keys of the objects of earlier claims, by job, for the jobs that have ended.

    The directory of each day is listed once.
    """
    keys_by_job = dict[str, list[str]]()
    jobs_by_day = dict[str, list[Job]]()
    for job in jobs:
        if job.status.terminal and delete_and_replay.may_have_superseded(job):
            keys_by_job[job.id] = []
            jobs_by_day.setdefault(layout.day_of(job.created_at), []).append(job)
    for jobs_of_day in jobs_by_day.values():
        job_ids = {job.id for job in jobs_of_day}
        for listed in services.storage.list_objects_of(job_ids, jobs_of_day[0].created_at):
            if layout.kind_of(listed.key) is not layout.ObjectKind.INPUT:
                keys_by_job[layout.job_id_of(listed.key)].append(listed.key)
    return keys_by_job


def _act_on(
    services: Services, batch: Batch, listed: Job, superseded: Iterable[str] | None
) -> None:
    """Act on a job, unless somebody else has done so meanwhile."""
    job = services.catalog.recall(listed.id)
    if job is None or job.id != listed.id or not batch_actions.includes(batch, job):
        return
    if batch.action is Action.REPLAY:
        when = partial(batch_actions.includes, batch)
        delete_and_replay.replay(services, job, count_done(batch.id), when)
        return
    if batch.action is Action.NOTIFY:
        when = partial(batch_actions.includes, batch)
        delete_and_replay.notify_again(services, job, count_done(batch.id), when)
        return
    if not job.status.terminal or job.lease.fencing_token != listed.lease.fencing_token:
        superseded = None  # it was claimed since: there may be more
    with suppress(errors.UnknownJob):
        delete_and_replay.delete(services, job, count_done(batch.id), superseded=superseded)
