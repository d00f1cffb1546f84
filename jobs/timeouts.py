"""Polling policy: the grace for a callback, and when a job without a final word is given up."""

from dataclasses import dataclass

from jobs.bfl import models

FINAL_POLL_SECONDS = 10.0  # the last poll is this long before the deadline
GIVE_UP_AT_MOST_SECONDS = 86_400.0


@dataclass(frozen=True, slots=True)
class Timeouts:
    """How long to wait for BFL, in seconds.

    `callback_grace` runs from the last sign of life until BFL is polled, None for the model's
    own; `give_up_after` from the last sign of life, `give_up_at_most` from the submission.
    """

    callback_grace: float | None
    give_up_after: float
    give_up_at_most: float = GIVE_UP_AT_MOST_SECONDS

    def grace(self, model: str | None) -> float:
        """Seconds to wait for a callback; one poll stays possible before the job is given up."""
        grace = self.callback_grace
        if grace is None:
            grace = models.callback_grace(model)
        last = max(self.give_up_after - FINAL_POLL_SECONDS, self.give_up_after / 2)
        return min(grace, last)

    def deadline(self, now: float) -> float:
        """When a job that BFL has now is given up if there is no sign of life."""
        return now + min(self.give_up_after, self.give_up_at_most)


def poll_time(now: float, pause: float, deadline: float) -> float:
    """Time of the next poll: after the pause, with a last one shortly before the deadline."""
    last = deadline - FINAL_POLL_SECONDS
    return min(now + pause, last) if now < last else min(now + pause, deadline)
