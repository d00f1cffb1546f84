"""Progress on stderr while a command waits for a job."""

import time

import click

from jobs import views
from jobs.errors import StoreUnavailable
from jobs.job import Job
from jobs.services import Services
from receiver.api.job_actions import load_job
from receiver.checks import Context
from receiver.checks.processes import check_worker
from receiver.cli.command import plain

POLL_SECONDS = 0.5
OUTAGE_SECONDS = 120.0


def wait_until_ended(services: Services, job: Job) -> Job:
    """Print a line for each change.

    Raises UnknownJob when the job was deleted, StoreUnavailable after a long outage.
    """
    began_at = answered_at = time.monotonic()
    shown = ""
    while True:
        try:
            job = load_job(services, job.id)
            text, answered_at = _progress(services, job), time.monotonic()
        except StoreUnavailable as error:
            if time.monotonic() - answered_at > OUTAGE_SECONDS:
                raise
            text = f"{error}; trying again"
        if text != shown:
            click.echo(f"{time.monotonic() - began_at:3.0f} s  {plain(text)}", err=True)
            shown = text
        if job.status.terminal:
            return job
        time.sleep(POLL_SECONDS)


def _progress(services: Services, job: Job) -> str:
    """Status and percentage, and why a queued job waits."""
    percent = f" {job.progress:.0%}" if job.progress is not None else ""
    if not job.submission.is_queued:
        return f"{job.status}{percent}"
    (worker,) = check_worker(Context(services.settings, services))
    if not worker.ok:
        return f"{job.status}: the worker {worker.why}"
    reasons = [f"paused: {reason}" for reason in views.waiting_reasons(services, job)]
    return f"{job.status}: {'; '.join(reasons) or 'waits for a slot at BFL'}"
