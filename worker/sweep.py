"""`python -m worker.sweep`: check the jobs that are due, oldest first."""

import logging
import signal
import sys
import threading
import time
from functools import partial

from jobs.domain import submission
from jobs.domain.errors import StoreUnavailable
from jobs.services import Services
from worker import published_objects, startup
from worker.claim import UNREADABLE_POSTPONED_SECONDS
from worker.notifications import budget_warnings, delivery
from worker.notifications.dispatcher import NotificationDispatcher, dispatch_due
from worker.periodic import batch_actions, bfl_schemas, input_cleanup, loops, orphan_deletion
from worker.periodic.archiving import Archiving
from worker.periodic.retention import RetentionCleanup
from worker.periodic.row_retention import RowRetention
from worker.shutdown import exit_in_time

SWEEP_EVERY_SECONDS = 5.0
INTERVAL_MIN_SECONDS = 0.5
BATCH = 500
JOIN_SECONDS = 20.0  # for all threads: platforms send SIGKILL 30 s after SIGTERM

log = logging.getLogger(__name__)


def main() -> int:
    services, stop = startup.start("sweep"), threading.Event()
    is_stopping = False

    def begin_shutdown(*_: object) -> None:
        nonlocal is_stopping
        if is_stopping:  # a second signal may come while the first one holds the event's lock
            return
        is_stopping = True
        stop.set()
        exit_in_time()  # a step may retry for a minute while Redis is down

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, begin_shutdown)
    notifications = NotificationDispatcher(partial(delivery.deliver, services))
    retention = RetentionCleanup(services)
    threads = []
    if services.archive:
        archiving = Archiving(services, services.archive)
        retention_of_rows = RowRetention(services, services.archive)
        threads.append(loops.start(archiving.run_pass, stop, "archive"))
        threads.append(loops.start(retention_of_rows.run_batch, stop, "rows"))
    threads += [
        loops.start(partial(published_objects.delete_left_objects, services), stop, "superseded"),
        loops.start(
            partial(dispatch_due, services, notifications),
            stop,
            "notifications",
            at_end=notifications.close,
        ),
        loops.start(partial(budget_warnings.check, services), stop, "budgets"),
        loops.start(retention.run_batch, stop, "retention"),
        loops.start(partial(orphan_deletion.step, services), stop, "erasures"),
        loops.start(partial(batch_actions.step, services), stop, "batches"),
        loops.start(partial(input_cleanup.run_batch, services), stop, "inputs"),
        loops.start(partial(bfl_schemas.read_if_due, services), stop, "schemas"),
    ]
    loops.repeat(partial(sweep, services), stop)
    until = time.monotonic() + JOIN_SECONDS
    for thread in threads:  # one that a storage blocks for longer ends with the process
        thread.join(max(until - time.monotonic(), 0))
    return 0


def sweep(services: Services) -> float:
    """Check every job that is due; return the seconds until the next sweep.

    Calls no storage, which could block.
    """
    due = services.store.due(BATCH)
    for job_id in due.ids:
        _sweep_one(services, job_id)
    services.submission_queue.close_idle_circuits()
    waiting = due.without_rq_job
    if not (waiting or due.rq_jobs) and (found := services.submission_queue.next(peek=True)):
        # A circuit's time may be over. Any RQ job makes a worker process everything that waits.
        waiting = (found.job_id,)
    services.store.enqueue(waiting)
    services.metrics.record_heartbeat("sweep")
    if due.ids:
        return INTERVAL_MIN_SECONDS
    until_next = (due.next_at or due.now + SWEEP_EVERY_SECONDS) - due.now
    return min(max(until_next, INTERVAL_MIN_SECONDS), SWEEP_EVERY_SECONDS)


def _sweep_one(services: Services, job_id: str) -> None:
    """Check one job; postpone one that fails or is unreadable, so that it does not stop others."""
    try:
        sweep_job(services, job_id)
    except StoreUnavailable:
        raise
    except Exception as error:  # noqa: BLE001 - it concerns this job alone
        services.store.postpone(job_id, UNREADABLE_POSTPONED_SECONDS)
        # Its text is not logged: it may hold secrets.
        log.error("job %s: unexpected %s. Put off.", job_id, type(error).__name__)  # noqa: TRY400


def sweep_job(services: Services, job_id: str) -> None:
    """Apply the next step to one due job. Raises StoreUnavailable, UnreadableRecord."""
    timeouts = services.settings.timeouts
    change = services.store.change(job_id, partial(submission.recheck, timeouts=timeouts))
    if change.before is None:
        services.store.remove_due(job_id)
    elif change.written and change.after and change.after.status.terminal:
        log.warning("job %s: %s, its deadline has passed", job_id, change.after.status)


if __name__ == "__main__":
    sys.exit(main())
