"""Long polling: `?wait=` answers when a job ends."""

import time

from jobs.domain.job import Job
from jobs.services import Services
from receiver.auth import current_key_name
from receiver.feed.broker import Broker, Subscriber
from receiver.feed.client_socket import CHECK_SECONDS, ClientSocket
from receiver.job_actions import load_job


def wait_for_end(services: Services, broker: Broker, job_id: str, seconds: float) -> Job:
    """Return the job when it has ended, after the time, or when this process stops.

    Raises UnknownJob, TooManyWaiting, StoreUnavailable.
    """
    until, client = time.monotonic() + seconds, ClientSocket()
    job = load_job(services, job_id)
    if job.status.terminal:
        return job
    subscriber = broker.subscribe(job.id, current_key_name())
    try:
        # Read again: changes before the subscription are in the record, later ones wake us.
        job, waiting = load_job(services, job.id), True
        while waiting and not job.status.terminal:
            waiting = _is_woken(broker, subscriber, client, until)
            job = load_job(services, job.id)
    finally:
        broker.unsubscribe(subscriber)
    return job


def _is_woken(broker: Broker, subscriber: Subscriber, client: ClientSocket, until: float) -> bool:
    while (left := until - time.monotonic()) > 0 and not client.is_disconnected():
        woken = subscriber.wait(min(left, CHECK_SECONDS))
        if woken or broker.closed:
            return woken and not broker.closed
    return False
