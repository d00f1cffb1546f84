"""Ask BFL what ended jobs cost whose price no callback told: once each, below all other work."""

import logging
from contextlib import suppress
from functools import partial

from jobs import sidecars
from jobs.domain import price_schedule
from jobs.domain.bfl_report import Report
from jobs.domain.errors import BflUnavailable, Evicted, StorageError, UnreadableRecord
from jobs.domain.job import Job
from jobs.domain.status import ReportKind, Status
from jobs.services import Services
from jobs.store.commit import CommitOptions
from jobs.store.metrics import Counter
from worker import poll

INTERVAL_SECONDS = 2.0
BATCH = 20
# While rescues or polls wait for a worker, only what has waited for so long is asked.
BUSY_DELAY_SECONDS = 600.0
UNREADABLE_SECONDS = 3600.0

log = logging.getLogger(__name__)


def run_batch(services: Services) -> float:
    """Ask about the jobs that are due; return the seconds until the next batch."""
    now = services.store.now()
    due_by = now - BUSY_DELAY_SECONDS if services.store.most_urgent() else now
    for job_id in services.due.price_polls.members_until(due_by, BATCH):
        try:
            ask_price(services, job_id)
        except UnreadableRecord:
            services.due.price_polls.schedule(job_id, now + UNREADABLE_SECONDS)
    return INTERVAL_SECONDS


def ask_price(services: Services, job_id: str) -> None:
    """Ask BFL once what a job cost, and book it. Raises StoreUnavailable, UnreadableRecord.

    The attempt is on record before BFL is asked: kills and several sweeps ask no more than that.
    """
    try:
        claimed = services.store.change(job_id, price_schedule.claim)
    except Evicted:
        services.due.price_polls.remove(job_id)
        return
    job = claimed.after
    if job is None or job.polling.price_due_at is None:
        services.due.price_polls.remove(job_id)
        if claimed.written:
            services.store.increment({Counter.PRICE_NEVER: 1})
        return
    if not claimed.written:  # another sweep asks
        return
    try:
        report = poll.fetch_report(services, job)
    except BflUnavailable as error:
        log.info("job %s: its price is not known yet: %s", job_id, error)
        services.store.change(job_id, price_schedule.postpone)
        return
    _book(services, job, report)


def _book(services: Services, job: Job, report: Report | None) -> None:
    is_final = report is not None and report.kind is not ReportKind.PROGRESS
    priced = report if is_final else None
    is_named = priced is not None and priced.cost is not None
    counter = Counter.PRICE_BY_POLL if is_named else Counter.PRICE_NEVER
    step = partial(price_schedule.book, report=priced)
    change = services.store.change(job.id, step, CommitOptions({counter: 1}))
    after = change.after
    if after is not None and after.status is Status.STORED and after.cost != job.cost:
        with suppress(StorageError):  # the record decides; the sidecar serves a restore
            sidecars.update(services.store, services.storage, job.id)
