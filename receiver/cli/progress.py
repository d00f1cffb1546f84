"""Progress line on stderr while a command waits for a job."""

import shutil
import sys
import time

import click

from jobs.errors import StoreUnavailable
from jobs.job import Job
from jobs.services import Services
from jobs.store.submission_queue import ALL_MODELS
from receiver.api.job_actions import load_job
from receiver.checks import Context
from receiver.checks.processes import check_worker
from receiver.cli.command import plain

POLL_SECONDS = 0.5
OUTAGE_SECONDS = 120.0

_CLEAR_LINE = "\x1b[K"


class ProgressLine:
    """One line that is rewritten on a terminal; elsewhere a new line for each change."""

    def __init__(self) -> None:
        self._began_at = time.monotonic()
        self._last = ""

    def show(self, text: str) -> None:
        line = f"{time.monotonic() - self._began_at:3.0f} s  {plain(text)}"
        if sys.stderr.isatty():
            line = line[: shutil.get_terminal_size().columns - 1]
            click.echo(f"\r{line}{_CLEAR_LINE}", err=True, nl=False, color=True)
        elif text != self._last:
            click.echo(line, err=True)
        self._last = text

    def close(self) -> None:
        if sys.stderr.isatty():
            click.echo(err=True)


def wait_until_ended(services: Services, job: Job) -> Job:
    """Raises UnknownJob when the job was deleted, StoreUnavailable after a long outage."""
    line, answered_at = ProgressLine(), time.monotonic()
    try:
        while True:
            try:
                job = load_job(services, job.id)
                line.show(_progress(services, job))
                answered_at = time.monotonic()
            except StoreUnavailable as error:
                if time.monotonic() - answered_at > OUTAGE_SECONDS:
                    raise
                line.show(f"{error}; trying again")
            if job.status.terminal:
                return job
            time.sleep(POLL_SECONDS)
    finally:
        line.close()


def _progress(services: Services, job: Job) -> str:
    """Status and percentage, and why a queued job waits."""
    percent = f" {job.progress:.0%}" if job.progress is not None else ""
    reason = f": {_wait_reason(services, job)}" if job.submission.is_queued else ""
    return f"{job.status}{percent}{reason}"


def _wait_reason(services: Services, job: Job) -> str:
    (worker,) = check_worker(Context(services.settings, services))
    if not worker.ok:
        return f"the worker {worker.why}"
    circuits = services.submission_queue.open_circuits()
    paused = next(
        (circuit for circuit in circuits if circuit.scope in (ALL_MODELS, job.model)), None
    )
    return f"paused: {paused.reason}" if paused else "waits for a slot at BFL"
