"""Long polling: `?wait=` answers when a job ends."""

import time
from collections.abc import Callable, Iterator

from jobs.domain.errors import StoreUnavailable
from jobs.domain.job import Job
from jobs.services import Services
from receiver.auth import current_key_name
from receiver.feed.broker import CHECK_SECONDS, Broker, client_socket, is_disconnected
from receiver.job_actions import load_job


def has_ended(job: Job) -> bool:
    return job.status.terminal


def watch(
    services: Services,
    broker: Broker,
    job_id: str,
    seconds: float,
    is_done: Callable[[Job], bool] = has_ended,
) -> Iterator[Job | None]:
    """Yield the job at once and after each change, and None in each second without a change.

    Ends when the job is done, after the time, when the client is gone or this process stops.
    Raises UnknownJob and TooManyWaiting; StoreUnavailable if Redis does not answer the first
    question, or not at the end of the time.
    """
    until = time.monotonic() + seconds
    client = client_socket()
    job = load_job(services, job_id)
    yield job
    if is_done(job):
        return
    while True:
        try:
            yield from _changes(services, broker, job.id, until, is_done)
        except StoreUnavailable:
            seconds_left = until - time.monotonic()
            if seconds_left <= 0 or broker.closed or is_disconnected(client):
                raise
        else:
            return
        # An outage that is shorter than the wait does not end it: subscribe and read again.
        yield None
        time.sleep(min(seconds_left, CHECK_SECONDS))


def _changes(
    services: Services,
    broker: Broker,
    job_id: str,
    until: float,
    is_done: Callable[[Job], bool],
) -> Iterator[Job | None]:
    """Jobs that `watch` yields after the first read. Raises StoreUnavailable with each outage."""
    client = client_socket()
    subscriber = broker.subscribe(job_id, current_key_name())
    try:
        # Read again: changes before the subscription are in the record, later ones wake us.
        job = load_job(services, job_id)
        seconds_left = until - time.monotonic()
        while seconds_left > 0:
            if is_done(job) or broker.closed or is_disconnected(client):
                break
            is_woken = subscriber.wait(min(seconds_left, CHECK_SECONDS))
            seconds_left = until - time.monotonic()
            if is_woken:
                job = load_job(services, job_id)
                yield job
            else:
                yield None
        yield load_job(services, job_id)
    finally:
        broker.unsubscribe(subscriber)


def await_end(services: Services, broker: Broker, job_id: str, seconds: float) -> Job:
    """The job when it has ended, or after these seconds. Raises the errors of `watch`."""
    latest: Job | None = None
    for job in watch(services, broker, job_id, seconds):
        if job:
            latest = job
    assert latest is not None  # the first that `watch` yields
    return latest
