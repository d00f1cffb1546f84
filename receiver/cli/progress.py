"""Progress on stderr while a command waits for a job."""

import time

import click

from jobs import views
from jobs.job import Job
from jobs.services import Services
from receiver.api.job_actions import load_job
from receiver.cli.command import plain

POLL_SECONDS = 0.5


def wait_until_ended(services: Services, job: Job) -> Job:
    """Print a line for each change. Raises UnknownJob when it was deleted, StoreUnavailable."""
    began_at, shown = time.monotonic(), ""
    while True:
        job = load_job(services, job.id)
        if (text := _progress(services, job)) != shown:
            click.echo(f"{time.monotonic() - began_at:3.0f} s  {plain(text)}", err=True)
            shown = text
        if job.status.terminal:
            return job
        time.sleep(POLL_SECONDS)


def _progress(services: Services, job: Job) -> str:
    """Status and percentage, and why BFL does not work on the job yet."""
    percent = f" {job.progress:.0%}" if job.progress is not None else ""
    return ": ".join([f"{job.status}{percent}", *views.waiting_reasons(services, job)])
