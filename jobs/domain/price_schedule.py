"""Schedule of the question what an ended job cost: pure steps.

BFL names no price of FLUX.1, kontext and FLUX 3 video when it takes a job, and its callback may
have none. Its answer to a poll has the settled one.
"""

from jobs.domain.bfl_report import Report
from jobs.domain.job import Job
from jobs.domain.retry_policy import RetryPolicy
from jobs.domain.status import REPLAYABLE
from jobs.domain.timeline import EventCode

CLAIM_SECONDS = 120.0  # after this another sweep may ask
ATTEMPTS_MAX = 3  # of a host that does not answer; an answer without a price is the last word
RETRIES = RetryPolicy(
    first_seconds=60.0,
    longest_seconds=600.0,
    growth=10.0,
    jitter=0.0,
    retries_max=ATTEMPTS_MAX - 1,
)


def claim(job: Job, now: float) -> Job:
    """Claim the due question for one sweep, or give up; an unchanged job when it is not due."""
    due_at = job.polling.price_due_at
    if due_at is None or due_at > now:
        return job
    if job.polling.price_attempts >= ATTEMPTS_MAX:
        return finish(job)
    attempts = job.polling.price_attempts + 1
    return job.with_polling(price_due_at=now + CLAIM_SECONDS, price_attempts=attempts)


def postpone(job: Job, now: float) -> Job:
    """Ask again later, or give up: no host has answered."""
    if job.polling.price_due_at is None:
        return job
    earlier_failures = job.polling.price_attempts - 1
    next_attempt_at = RETRIES.next_attempt_at(now, earlier_failures)
    if next_attempt_at is None:
        return finish(job)
    return job.with_polling(price_due_at=next_attempt_at)


def book(job: Job, now: float, report: Report | None) -> Job:
    """Record the price that BFL names; without one the last known stays."""
    if job.polling.price_due_at is None:
        return job
    priced = finish(job)
    if report is None or report.cost is None or report.cost == job.cost:
        return priced
    status = report.status_text
    return priced.evolve(cost=report.cost).with_event(
        now, EventCode.POLL_ANSWERED, status=status, cost=report.cost
    )


def finish(job: Job) -> Job:
    """The question is over; a job that can be replayed keeps its polling URL."""
    if job.polling.price_due_at is None:
        return job
    if job.status in REPLAYABLE:
        return job.with_polling(price_due_at=None, price_attempts=0)
    return job.with_polling(
        price_due_at=None, price_attempts=0, polling_url=None, is_host_found=False
    )
