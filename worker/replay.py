"""Replayed jobs: what was stored before the replay is looked for before BFL is polled (I22)."""

from contextlib import suppress

from jobs import sidecars
from jobs.errors import StorageError, StoreUnavailable
from jobs.job import Job
from jobs.services import Services
from jobs.timeline import EventCode
from worker import poll, recovery
from worker.claim import Claim
from worker.rescue import STORAGE_SECONDS

STORAGE_RETRY_SECONDS = 5.0


def recover_or_poll(services: Services, claim: Claim) -> None:
    """Poll BFL about a job; store what an earlier claim stored of it, if it was reopened.

    The storage is looked into before the first poll, and before the job is given up.
    """
    check, found = claim.job.check, None
    if check.rescue_attempts and (check.is_last or check.attempts == 0):
        claim.allow_silence(STORAGE_SECONDS)
        try:
            found = recovery.find_stored(services.storage, claim.job)
        except StorageError as error:
            services.metrics.report_problem("storage", str(error))
            claim.commit(lambda job, now: job.back_off(now, STORAGE_RETRY_SECONDS))
            return
    if found:
        _store(services, claim, found)
    elif check.is_last:
        claim.commit(Job.give_up)
    else:
        poll.poll_job(services, claim)


def _store(services: Services, claim: Claim, found: Job) -> None:
    """Commit the files as their sidecars describe them, which then get the new timeline."""

    def store(job: Job, now: float) -> Job:
        known = job.evolve(result=found.result).with_event(now, EventCode.RESCUE_RECOVERED)
        return known.stored(now, found.present_media)

    claim.commit(store)
    with suppress(StoreUnavailable, StorageError):
        sidecars.update(services.store, services.storage, claim.job.id)
