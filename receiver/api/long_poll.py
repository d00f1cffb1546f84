"""Long polling: `?wait=` answers when a job ends."""

import time
from collections.abc import Callable, Iterator

from jobs.domain.job import Job
from jobs.services import Services
from receiver.auth import current_key_name
from receiver.feed.broker import CHECK_SECONDS, Broker, client_socket, is_disconnected
from receiver.job_actions import load_job


def watch(
    services: Services,
    broker: Broker,
    job_id: str,
    seconds: float,
    is_done: Callable[[Job], bool] = lambda job: job.status.terminal,
) -> Iterator[Job | None]:
    """Yield the job as it is and after each change, and None in each second without one.

    Ends when the job is done, after the time, when the client is gone or this process stops.
    Raises UnknownJob, TooManyWaiting, StoreUnavailable.
    """
    until, client = time.monotonic() + seconds, client_socket()
    job = load_job(services, job_id)
    yield job
    if is_done(job):
        return
    subscriber = broker.subscribe(job.id, current_key_name())
    try:
        # Read again: changes before the subscription are in the record, later ones wake us.
        job, left = load_job(services, job.id), seconds
        while left > 0 and not (is_done(job) or broker.closed or is_disconnected(client)):
            woken = subscriber.wait(min(left, CHECK_SECONDS))
            left = until - time.monotonic()
            if woken:
                job = load_job(services, job.id)
            yield job if woken else None
        yield load_job(services, job.id)
    finally:
        broker.unsubscribe(subscriber)
