"""Long polling: `?wait=` answers the moment a job ends."""

import time
from dataclasses import dataclass

from jobs import view_types, views
from jobs.job import Job
from jobs.services import Services
from receiver.api.replays import known_job
from receiver.feed.broker import Broker, Subscriber
from receiver.feed.client_socket import ClientSocket

CHECK_SECONDS = 1.0  # between two looks whether the client is connected and the process goes on


@dataclass(frozen=True, slots=True)
class LongPoll:
    """One request that waits for the end of a job."""

    services: Services
    broker: Broker
    client: ClientSocket
    link_ttl: float

    def answer(self, job_id: str, seconds: float) -> view_types.Job:
        """The job once it has ended, or after so long, or when this process stops.

        Raises UnknownJob, Crowded, StoreUnavailable.
        """
        until = time.monotonic() + seconds
        job = known_job(self.services, job_id)
        if job.status.terminal:
            return self._render(job)
        with self.broker.subscribed(job.id, final_only=True) as subscriber:
            # Read again: what happened before is on record, what happens from now on wakes us.
            job = known_job(self.services, job.id)
            waiting = True
            while waiting and not job.status.terminal:
                waiting = self._is_woken(subscriber, until)
                job = known_job(self.services, job.id)
        return self._render(job)

    def _render(self, job: Job) -> view_types.Job:
        return views.job(self.services, job, self.link_ttl)

    def _is_woken(self, subscriber: Subscriber, until: float) -> bool:
        while (left := until - time.monotonic()) > 0 and not self.client.has_hung_up():
            woken = subscriber.wait(min(left, CHECK_SECONDS))
            if woken or self.broker.closed:
                return woken and not self.broker.closed
        return False
