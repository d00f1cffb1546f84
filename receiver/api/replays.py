"""Asking for another rescue of a job, over HTTP or by the command line."""

from jobs import submission
from jobs.bfl import parsing
from jobs.errors import UnknownJob, WrongStatus
from jobs.job import Job
from jobs.services import Services


def known_job(services: Services, job_id: str) -> Job:
    """The job that either of its ids names. Raises UnknownJob."""
    job = services.store.load(job_id) if parsing.TASK_ID.fullmatch(job_id) else None
    if job is None:
        raise UnknownJob
    return job


def ask_for(services: Services, job_id: str) -> Job:
    """Back to work with a job that failed, expired or was lost. Raises UnknownJob, WrongState."""
    timeouts = services.settings.timeouts
    known = known_job(services, job_id)
    if known.task_id is None and services.store.submission(known.id) is None:
        raise WrongStatus("BFL never took this job, and what was to be submitted is gone")

    def reopen(job: Job | None, now: float) -> Job | None:
        return submission.reopen(job, now, timeouts) if job else None

    change = services.store.update(known.id, reopen)
    if not change.written or change.after is None:
        raise WrongStatus("only a job that failed, expired or was lost can be replayed")
    return change.after
