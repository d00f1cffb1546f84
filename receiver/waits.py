"""`?wait=`: the answer comes the moment a job ends."""

import time
from dataclasses import dataclass

from jobs import shape, shown
from jobs.job import Job
from jobs.services import Services
from receiver.fanout import Fanout, Follower
from receiver.presence import Presence
from receiver.rescues import known_job

LOOK_UP_SECONDS = 1.0  # so often is looked whether the client is there and the process goes on


@dataclass(frozen=True, slots=True)
class Wait:
    """One request's wait for the end of a job."""

    services: Services
    fanout: Fanout
    client: Presence
    link_ttl: float

    def answer(self, job_id: str, seconds: float) -> shown.Job:
        """The job once it has ended, or as it stands after so long, or when this process stops.

        Raises UnknownJob, Crowded, StoreUnavailable.
        """
        until = time.monotonic() + seconds
        job, answer = self._look(job_id)
        if answer is not None:
            return answer
        with self.fanout.following(job.id, ends_only=True) as follower:
            # Only now: whatever happened before is on record, whatever comes wakes us.
            _, answer = self._look(job.id)
            while answer is None:
                told = self._told(follower, until)
                _, answer = self._look(job.id, in_any_case=not told)
        return answer

    def _look(self, job_id: str, *, in_any_case: bool = False) -> tuple[Job, shown.Job | None]:
        """The job, and the answer if it has ended."""
        job = known_job(self.services, job_id)
        wanted = in_any_case or job.state.terminal
        return job, shape.job(self.services, job, self.link_ttl) if wanted else None

    def _told(self, follower: Follower, until: float) -> bool:
        while (left := until - time.monotonic()) > 0 and not self.client.gone():
            told = follower.wait(min(left, LOOK_UP_SECONDS))
            if self.fanout.closed:
                return False
            if told:
                return True
        return False
