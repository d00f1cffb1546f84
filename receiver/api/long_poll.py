"""Long polling: `?wait=` answers when a job ends."""

import time
from collections.abc import Callable
from dataclasses import dataclass

from jobs.job import Job
from jobs.services import Services
from jobs.views import JobView
from receiver.api.job_actions import load_job
from receiver.feed.broker import Broker, Subscriber
from receiver.feed.client_socket import ClientSocket

CHECK_SECONDS = 1.0  # between two checks of the connection and of the process's shutdown


@dataclass(frozen=True, slots=True)
class LongPoll:
    """One request that waits for a job to end."""

    services: Services
    broker: Broker
    client: ClientSocket
    render: Callable[[Job], JobView]

    def run(self, job_id: str, seconds: float) -> JobView:
        """Return the job when it has ended, after the time, or when this process stops.

        Raises UnknownJob, TooManyWaiting, StoreUnavailable.
        """
        until = time.monotonic() + seconds
        job = load_job(self.services, job_id)
        if job.status.terminal:
            return self.render(job)
        with self.broker.subscribed(job.id, final_only=True) as subscriber:
            # Read again: changes before the subscription are in the record, later ones wake us.
            job = load_job(self.services, job.id)
            waiting = True
            while waiting and not job.status.terminal:
                waiting = self._is_woken(subscriber, until)
                job = load_job(self.services, job.id)
        return self.render(job)

    def _is_woken(self, subscriber: Subscriber, until: float) -> bool:
        while (left := until - time.monotonic()) > 0 and not self.client.is_disconnected():
            woken = subscriber.wait(min(left, CHECK_SECONDS))
            if woken or self.broker.closed:
                return woken and not self.broker.closed
        return False
