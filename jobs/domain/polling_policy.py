"""Polling policy: the grace for a callback, and when a job without a final word is given up."""

from dataclasses import dataclass

FINAL_POLL_SECONDS = 10.0  # the last poll is this long before the deadline
GIVE_UP_AT_MOST_SECONDS = 86_400.0
GRACE_FACTOR = 6  # long enough that a job with a callback is rarely polled
GRACE_MIN_SECONDS = 10.0
# Half the life of an image's URL: if the callback is lost, the other half is left for a rescue.
GRACE_MAX_SECONDS = 300.0
# Models whose URLs live for an hour or longer, by BFL's docs: they may be given more time.
LONG_LIVED = frozenset({"flux-3-image"})
LONG_LIVED_PREFIXES = ("flux-3-video", "flux-tools/video")
TYPICAL_SECONDS = 10.0  # of a model that is not listed

# By prefix, most specific first; from BFL's docs and recorded traffic.
_TYPICAL_SECONDS = {
    "flux-2-klein": 1.0,
    "flux-2-max": 20.0,
    "flux-dev": 2.5,
    "flux-3-image-klein": 5.0,
    "flux-3-image": 90.0,
    "flux-3-video": 90.0,
    "flux-tools/video": 60.0,
}


@dataclass(frozen=True, slots=True)
class Timeouts:
    """How long to wait for BFL, in seconds.

    `callback_grace` runs from the last sign of life until BFL is polled, None for the model's
    own; `give_up_after` from the last sign of life, `give_up_at_most` from the submission.
    Without a webhook BFL cannot call.
    """

    callback_grace: float | None
    give_up_after: float
    give_up_at_most: float = GIVE_UP_AT_MOST_SECONDS
    has_webhook: bool = True

    def grace(self, model: str | None) -> float:
        """Seconds to wait for a callback; one poll stays possible before the job is given up."""
        grace = self.callback_grace
        if grace is None:
            grace = callback_grace(model)
        longest = max(self.give_up_after - FINAL_POLL_SECONDS, self.give_up_after / 2)
        return min(grace, longest)

    def deadline(self, now: float) -> float:
        """When a job that BFL has now is given up if there is no sign of life."""
        return now + min(self.give_up_after, self.give_up_at_most)


def typical_seconds(model: str | None) -> float:
    """How long a generation usually takes."""
    if model:
        for prefix, seconds in _TYPICAL_SECONDS.items():
            if model.startswith(prefix):
                return seconds
    return TYPICAL_SECONDS


def callback_grace(model: str | None) -> float:
    """Return the seconds to wait for a callback before the first poll.

    However long a model seems to take, an image whose callback is lost is still there at the poll.
    """
    grace = max(typical_seconds(model) * GRACE_FACTOR, GRACE_MIN_SECONDS)
    if model is not None and (model in LONG_LIVED or model.startswith(LONG_LIVED_PREFIXES)):
        return grace
    return min(grace, GRACE_MAX_SECONDS)


def poll_time(now: float, pause: float, deadline: float) -> float:
    """Time of the next poll: after the pause, with a last one shortly before the deadline."""
    last_poll_at = deadline - FINAL_POLL_SECONDS
    if now < last_poll_at:
        return min(now + pause, last_poll_at)
    return min(now + pause, deadline)
