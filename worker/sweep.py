"""`python -m worker.sweep`: check the jobs that are due, oldest first."""

import logging
import signal
import sys
import threading
import time
from collections.abc import Callable, Sequence
from functools import partial

from jobs.domain import submission
from jobs.domain.errors import FluxkeepError, NoFreeSlot, OverBudget, StoreUnavailable
from jobs.domain.job import Job
from jobs.domain.status import Status
from jobs.services import Services
from jobs.store.job_store import Due
from worker import published_objects, startup
from worker.claim import UNREADABLE_POSTPONED_SECONDS
from worker.notifications import budget_warnings, delivery
from worker.notifications.dispatcher import NotificationDispatcher, dispatch_due
from worker.periodic import (
    batch_actions,
    bfl_schemas,
    erasure,
    held_callbacks,
    input_cleanup,
    late_objects,
    price_polls,
    unknown_prices,
)
from worker.periodic.archiving import Archiving
from worker.periodic.folding import Folding
from worker.periodic.retention import RetentionCleanup, RowRetention
from worker.shutdown import exit_early_without_redis, exit_in_time

SWEEP_EVERY_SECONDS = 5.0
INTERVAL_MIN_SECONDS = 0.5
BATCH = 500
RETRY_SECONDS = 5.0
JOIN_SECONDS = 20.0  # for all threads: platforms send SIGKILL 30 s after SIGTERM

Step = Callable[[], float]  # returns the seconds until its next call

log = logging.getLogger(__name__)


def main() -> int:
    services = startup.start("sweep", writes_database=True)
    stop = threading.Event()
    _stop_on_signals(services, stop)
    run(services, stop)
    return 0


def run(services: Services, stop: threading.Event) -> None:
    """Sweep in threads until `stop` is set."""
    threads = [_notification_thread(services, stop)]
    for name, step in _periodic_steps(services).items():
        threads.append(threading.Thread(target=repeat, args=(step, stop), name=name, daemon=True))
    for thread in threads:
        thread.start()
    repeat(partial(sweep, services), stop)
    until = time.monotonic() + JOIN_SECONDS
    for thread in threads:  # one that a storage blocks for longer ends with the process
        thread.join(max(until - time.monotonic(), 0))


def _stop_on_signals(services: Services, stop: threading.Event) -> None:
    is_stopping = False

    def begin_shutdown(*_: object) -> None:
        nonlocal is_stopping
        if is_stopping:  # a second signal may come while the first one holds the event's lock
            return
        is_stopping = True
        stop.set()
        exit_in_time()
        # What its threads do can be interrupted at any time; only Redis records that it was done.
        exit_early_without_redis(services.settings, lambda: False)

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, begin_shutdown)


def _notification_thread(services: Services, stop: threading.Event) -> threading.Thread:
    notifications = NotificationDispatcher(partial(delivery.deliver, services))

    def dispatch() -> None:
        repeat(partial(dispatch_due, services, notifications), stop)
        notifications.close()

    return threading.Thread(target=dispatch, name="notifications", daemon=True)


def _periodic_steps(services: Services) -> dict[str, Step]:
    """The steps of which each is repeated in a thread of its own, by the thread's name."""
    steps: dict[str, Step] = {
        "superseded": partial(published_objects.delete_left_objects, services),
        "late objects": partial(late_objects.step, services),
        "budgets": partial(budget_warnings.check, services),
        "retention": RetentionCleanup(services).run_batch,
        "erasures": partial(erasure.step, services),
        "batches": partial(batch_actions.step, services),
        "inputs": partial(input_cleanup.run_batch, services),
        "prices": partial(price_polls.run_batch, services),
        "unknown prices": partial(unknown_prices.settle_all, services),
        "schemas": partial(bfl_schemas.read_if_due, services),
    }
    if services.archive:
        steps["archive"] = Archiving(services, services.archive).run_pass
        steps["callbacks"] = partial(held_callbacks.apply_held, services)
        steps["rows"] = RowRetention(services, services.archive).run_batch
        steps["words"] = Folding(services.archive).run_batch
    return steps


def repeat(step: Step, stop: threading.Event) -> None:
    """Repeat a step until `stop` is set, through outages of Redis and the storage too."""
    wait_seconds = 0.0
    while not stop.wait(wait_seconds):
        try:
            wait_seconds = step()
        except FluxkeepError as error:
            log.warning("%s", error)
            wait_seconds = RETRY_SECONDS


def sweep(services: Services) -> float:
    """Check every job that is due; return a pause in seconds. Calls no storage: it could block."""
    due = services.store.due(BATCH)
    for job_id in due.ids:
        try:
            sweep_job(services, job_id)
        except StoreUnavailable:
            raise
        except Exception as error:  # noqa: BLE001 - it concerns this job alone
            # It must not stop others. Its text is not logged: it may hold secrets.
            services.store.postpone(job_id, UNREADABLE_POSTPONED_SECONDS)
            log.error("job %s: unexpected %s. Put off.", job_id, type(error).__name__)  # noqa: TRY400
    services.submission_queue.close_idle_circuits()
    services.store.enqueue(_jobs_to_enqueue(services, due))
    services.health_probes.record_heartbeat("sweep")
    if due.ids:
        return INTERVAL_MIN_SECONDS
    if due.next_at is None:
        return SWEEP_EVERY_SECONDS
    seconds_until_next = due.next_at - due.now
    return min(max(seconds_until_next, INTERVAL_MIN_SECONDS), SWEEP_EVERY_SECONDS)


def _jobs_to_enqueue(services: Services, due: Due) -> Sequence[str]:
    """The jobs that wait and have lost their RQ job; else a submission whose circuit may be over.

    Any RQ job makes a worker process everything that waits.
    """
    if due.without_rq_job:
        return due.without_rq_job
    if due.rq_jobs:
        return ()
    next_submission = services.submission_queue.next(peek=True)
    if next_submission is None:
        return ()
    return (next_submission.job_id,)


def sweep_job(services: Services, job_id: str) -> None:
    """Apply the next step to one due job. Raises StoreUnavailable, UnreadableRecord."""

    def recheck(job: Job, now: float) -> Job:
        obstacle = ""
        if job.status is Status.QUEUED and job.submission.sent_at is None:
            job = _with_present_account(services, job)
            obstacle = services.obstacle_to_sending(job)
        return submission.recheck(job, now, services.settings.timeouts, obstacle)

    try:
        change = services.store.change(job_id, recheck)
    except (OverBudget, NoFreeSlot) as error:  # a job that BFL may have is not sent again
        refusal = OverBudget()
        if isinstance(error, OverBudget):
            refusal = error
        postpone = partial(submission.postpone_retry, refusal=refusal)
        change = services.store.change(job_id, postpone)
    if change.before is None:
        services.store.remove_due(job_id)
    elif change.written and change.after and change.after.status.terminal:
        log.warning("job %s: %s, its deadline has passed", job_id, change.after.status)


def _with_present_account(services: Services, job: Job) -> Job:
    """Assign the API key's own BFL key to a job whose shared BFL key is gone."""
    accounts = services.settings.bfl_accounts
    present_account = accounts.get(job.request.key or "")
    assigned_account = job.submission.bfl_key
    if assigned_account is None or assigned_account in accounts or present_account is None:
        return job
    return submission.assign_bfl_key(job, present_account)


if __name__ == "__main__":
    sys.exit(main())
