"""`python -m worker.sweep`: looks after the jobs that are due, oldest first."""

import logging
import signal
import sys
import threading
import time
from collections.abc import Callable
from types import FrameType

from jobs import submission
from jobs.errors import StoreUnavailable, UnreadableRecord
from jobs.job import Job
from jobs.services import Services
from jobs.store.results import Due
from worker import cleanup, startup
from worker.claim import POISONED_FOR_SECONDS
from worker.notifications import dispatcher
from worker.superseded import Leftovers

SWEEP_EVERY_SECONDS = 5.0
LEAST_PAUSE_SECONDS = 0.5
BATCH = 500
LEAVE_SECONDS = 20.0  # all together: a PaaS kills what has not stopped after 30 s

log = logging.getLogger(__name__)
Tell = Callable[[Job], None]


def _nobody(_job: Job) -> None:
    """Is told."""


def main() -> int:
    services, stop = startup.start("sweep"), _stop_on_signals()
    leftovers = Leftovers(services)
    starts = (dispatcher.start, cleanup.start)
    beside = [leftovers.start(stop), *(start(services, stop) for start in starts)]
    run(services, stop, leftovers.add)
    _see_off(beside)
    return 0


def _see_off(threads: list[threading.Thread]) -> None:
    """A storage that hangs may keep one longer: it is cut off."""
    until = time.monotonic() + LEAVE_SECONDS
    for thread in threads:
        thread.join(max(until - time.monotonic(), 0))


def _stop_on_signals() -> threading.Event:
    stop = threading.Event()

    def tell(_signal: int, _frame: FrameType | None) -> None:
        stop.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, tell)
    return stop


def run(services: Services, stop: threading.Event, ended: Tell) -> None:
    """Sweep until told to stop; an outage of Redis is sat out."""
    pause = 0.0
    while not stop.wait(pause):
        try:
            pause = sweep(services, ended)
        except StoreUnavailable as error:
            log.warning("%s", error)
            pause = SWEEP_EVERY_SECONDS


def sweep(services: Services, ended: Tell = _nobody) -> float:
    """Look at every job that is due; returns the seconds until the next one may be.

    Nothing in here waits for the storage.
    """
    due = services.store.due(BATCH)
    for job_id in due.ids:
        _look_after(services, job_id, ended)
    services.submission_queue.close_idle_circuits()
    services.store.enqueue(due.without_rq_job or _next_in_line(services, due))
    services.metrics.record_heartbeat("sweep")
    services.time_series.sample()
    if due.ids:
        return LEAST_PAUSE_SECONDS
    until_next = (due.next_at or due.now + SWEEP_EVERY_SECONDS) - due.now
    return min(max(until_next, LEAST_PAUSE_SECONDS), SWEEP_EVERY_SECONDS)


def _next_in_line(services: Services, due: Due) -> tuple[str, ...]:
    """A pause may be over, or the hint for a slot that was given back may be lost.

    Any entry will do: whoever works on it looks at the line as well.
    """
    found = None if due.rq_jobs else services.submission_queue.next(only_look=True)
    return (found.job_id,) if found else ()


def _look_after(services: Services, job_id: str, ended: Tell) -> None:
    """The same for a job that nothing was foreseen for: it must not stop the others."""
    try:
        look_after(services, job_id, ended)
    except StoreUnavailable:
        raise
    except Exception as error:  # noqa: BLE001 - whatever it is, it is about this job alone
        services.store.postpone(job_id, POISONED_FOR_SECONDS)
        # Its text could hold what was sent.
        log.error("job %s: unexpected %s. Put off.", job_id, type(error).__name__)  # noqa: TRY400


def look_after(services: Services, job_id: str, ended: Tell = _nobody) -> None:
    """Take the next step with one due job; a broken one is put off and stops nobody else.

    `ended` is told of a job, as it was, whose deadline has passed.
    """
    timeouts, calls = services.settings.timeouts, services.settings.bfl_reaches_us

    def step(job: Job | None, now: float) -> Job | None:
        return submission.check(job, now, timeouts, calls=calls) if job else None

    try:
        change = services.store.update(job_id, step)
    except UnreadableRecord as error:
        services.store.postpone(job_id, POISONED_FOR_SECONDS)
        log.error("job %s: %s Put off.", job_id, error)  # noqa: TRY400 - the trace says no more
        return
    if change.before is None:
        services.store.remove_due(job_id)
    elif change.written and change.after and change.after.status.terminal:
        log.warning("job %s: %s, its deadline has passed", job_id, change.after.status)
        ended(change.before)


if __name__ == "__main__":
    sys.exit(main())
