"""Waiting for a job to end, and showing on stderr how far it is."""

import shutil
import sys
import time

import click

from jobs.errors import StoreUnavailable
from jobs.job import Job
from jobs.services import Services
from receiver.commands.command import plain
from receiver.commands.reasons import awaited
from receiver.rescues import known_job

LOOK_EVERY_SECONDS = 0.5
OUTAGE_SECONDS = 120.0

_TO_LINE_END = "\x1b[K"


class Display:
    """One line that is written anew on a terminal, elsewhere a line for each change."""

    def __init__(self) -> None:
        self._terminal = sys.stderr.isatty()
        self._began = time.monotonic()
        self._last = ""

    def show(self, text: str) -> None:
        seconds = f"{time.monotonic() - self._began:3.0f} s"
        if self._terminal:
            width = shutil.get_terminal_size().columns - 1
            line = f"{seconds}  {plain(text)}"[:width]
            click.echo(f"\r{line}{_TO_LINE_END}", err=True, nl=False, color=True)
        elif text != self._last:
            click.echo(f"{seconds}  {plain(text)}", err=True)
        self._last = text

    def close(self) -> None:
        if self._terminal:
            click.echo(err=True)


class Watch:
    """Looks at a job until it has ended; it always does, by its deadline."""

    def __init__(self, services: Services, display: Display) -> None:
        self._services = services
        self._display = display
        self._answered = time.monotonic()

    def end_of(self, job: Job) -> Job:
        """Raises UnknownJob when it was deleted, StoreUnavailable after a long outage."""
        while not job.state.terminal:
            job = self._looked_at(job)
            if not job.state.terminal:
                time.sleep(LOOK_EVERY_SECONDS)
        self._display.show(_line(job, "done"))
        return job

    def _looked_at(self, job: Job) -> Job:
        try:
            job = known_job(self._services, job.id)
            if not job.state.terminal:
                self._display.show(_line(job, awaited(self._services, job)))
            self._answered = time.monotonic()
        except StoreUnavailable as error:
            if time.monotonic() - self._answered > OUTAGE_SECONDS:
                raise
            self._display.show(_line(job, f"{error}; trying again"))
        return job


def _line(job: Job, why: str) -> str:
    percent = f"{job.progress:4.0%}  " if job.progress is not None else ""
    return f"{job.state:9}  {percent}{why}"
