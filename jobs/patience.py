"""How long a callback may take, and the whole job."""

from dataclasses import dataclass

FINAL_POLL_SECONDS = 10.0  # the last question to BFL, this long before the deadline


@dataclass(frozen=True, slots=True)
class Patience:
    """How long a callback may take, and how long the whole job, in seconds."""

    callback_grace: float
    give_up_after: float

    @property
    def last_poll_after(self) -> float:
        """BFL is asked at least once before the deadline, however close that is."""
        return max(self.give_up_after - FINAL_POLL_SECONDS, self.give_up_after / 2)


def poll_time(now: float, pause: float, deadline: float) -> float:
    """When to ask next: after the pause, but a last time shortly before the deadline."""
    last = deadline - FINAL_POLL_SECONDS
    return min(now + pause, last) if now < last else min(now + pause, deadline)
