"""`?wait=`: the answer comes the moment a job ends."""

import time
from dataclasses import dataclass

from jobs.job import Job
from jobs.services import Services
from receiver.fanout import Fanout, Follower
from receiver.presence import Presence
from receiver.rescues import known_job
from receiver.turns import Turns

LOOK_UP_SECONDS = 1.0  # so often is looked whether the client is there and the process goes on


@dataclass(frozen=True, slots=True)
class Wait:
    """One request's wait for the end of a job."""

    services: Services
    fanout: Fanout
    turns: Turns
    client: Presence

    def end_of(self, job_id: str, seconds: float) -> Job:
        """The job once it has ended, or as it stands after so long, or when this process stops.

        Raises UnknownJob, Crowded, StoreUnavailable.
        """
        job = self._look(job_id)
        if job.state.terminal:
            return job
        until = time.monotonic() + seconds
        with self.fanout.following(job.id, ends_only=True) as follower:
            # Only now: whatever happened before is on record, whatever comes wakes us.
            job = self._look(job.id)
            while not job.state.terminal and self._told(follower, until):
                job = self._look(job.id)
        return job if job.state.terminal else self._look(job.id)

    def _look(self, job_id: str) -> Job:
        with self.turns.turn():
            return known_job(self.services, job_id)

    def _told(self, follower: Follower, until: float) -> bool:
        while (left := until - time.monotonic()) > 0 and not self.client.gone():
            told = follower.wait(min(left, LOOK_UP_SECONDS))
            if self.fanout.closed:
                return False
            if told:
                return True
        return False
