"""`python -m worker.sweep`: check the jobs that are due, oldest first."""

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
from jobs.store.job_store import Due
from worker import cleanup, startup
from worker.claim import UNREADABLE_POSTPONED_SECONDS
from worker.notifications import dispatcher
from worker.superseded_objects import SupersededObjects

SWEEP_EVERY_SECONDS = 5.0
INTERVAL_MIN_SECONDS = 0.5
BATCH = 500
JOIN_SECONDS = 20.0  # for all threads: platforms send SIGKILL 30 s after SIGTERM

log = logging.getLogger(__name__)
OnEnded = Callable[[Job], None]


def _ignore(_job: Job) -> None:
    pass


def main() -> int:
    services, stop = startup.start("sweep"), _stop_on_signals()
    superseded = SupersededObjects(services)
    threads = [
        superseded.start(stop),
        dispatcher.start(services, stop),
        cleanup.start(services, stop),
    ]
    run(services, stop, superseded.add)
    _join(threads)
    return 0


def _join(threads: list[threading.Thread]) -> None:
    """Wait for the threads; one that a storage blocks for longer ends with the process."""
    until = time.monotonic() + JOIN_SECONDS
    for thread in threads:
        thread.join(max(until - time.monotonic(), 0))


def _stop_on_signals() -> threading.Event:
    stop = threading.Event()

    def handle(_signal: int, _frame: FrameType | None) -> None:
        stop.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, handle)
    return stop


def run(services: Services, stop: threading.Event, on_ended: OnEnded) -> None:
    """Sweep until `stop` is set, through outages of Redis too."""
    wait_seconds = 0.0
    while not stop.wait(wait_seconds):
        try:
            wait_seconds = sweep(services, on_ended)
        except StoreUnavailable as error:
            log.warning("%s", error)
            wait_seconds = SWEEP_EVERY_SECONDS


def sweep(services: Services, on_ended: OnEnded = _ignore) -> float:
    """Check every job that is due; return the seconds until the next sweep.

    Calls no storage, which could block.
    """
    due = services.store.due(BATCH)
    for job_id in due.ids:
        _check(services, job_id, on_ended)
    services.submission_queue.close_idle_circuits()
    services.store.enqueue(due.without_rq_job or _next_submission(services, due))
    services.metrics.record_heartbeat("sweep")
    services.time_series.sample()
    if due.ids:
        return INTERVAL_MIN_SECONDS
    until_next = (due.next_at or due.now + SWEEP_EVERY_SECONDS) - due.now
    return min(max(until_next, INTERVAL_MIN_SECONDS), SWEEP_EVERY_SECONDS)


def _next_submission(services: Services, due: Due) -> tuple[str, ...]:
    """The next submission, if no RQ job is queued: a circuit's time may be over.

    Any RQ job will do: it makes a worker process everything that waits.
    """
    found = None if due.rq_jobs else services.submission_queue.next(peek=True)
    return (found.job_id,) if found else ()


def _check(services: Services, job_id: str, on_ended: OnEnded) -> None:
    """Check one job; postpone it after an unexpected error, so that it does not stop the others."""
    try:
        check_job(services, job_id, on_ended)
    except StoreUnavailable:
        raise
    except Exception as error:  # noqa: BLE001 - it concerns this job alone
        services.store.postpone(job_id, UNREADABLE_POSTPONED_SECONDS)
        # Its text is not logged: it may hold secrets.
        log.error("job %s: unexpected %s. Put off.", job_id, type(error).__name__)  # noqa: TRY400


def check_job(services: Services, job_id: str, on_ended: OnEnded = _ignore) -> None:
    """Apply the next step to one due job; postpone it if its record cannot be read.

    `on_ended` gets a job whose deadline has passed, as it was before.
    """
    timeouts, has_webhook = services.settings.timeouts, services.settings.bfl_reaches_us

    def step(job: Job | None, now: float) -> Job | None:
        return submission.check(job, now, timeouts, has_webhook=has_webhook) if job else None

    try:
        change = services.store.update(job_id, step)
    except UnreadableRecord as error:
        services.store.postpone(job_id, UNREADABLE_POSTPONED_SECONDS)
        log.error("job %s: %s Put off.", job_id, error)  # noqa: TRY400 - the trace says no more
        return
    if change.before is None:
        services.store.remove_due(job_id)
    elif change.written and change.after and change.after.status.terminal:
        log.warning("job %s: %s, its deadline has passed", job_id, change.after.status)
        on_ended(change.before)


if __name__ == "__main__":
    sys.exit(main())
