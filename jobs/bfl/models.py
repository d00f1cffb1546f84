"""BFL's models: how long each usually takes, and from that the grace before the first poll.

The list of models grows: an unknown name is an ordinary one and nothing is refused because of it.
"""

GRACE_FACTOR = 6  # several times the usual, so that a job with a callback is hardly ever polled
GRACE_MIN_SECONDS = 10.0
USUAL_SECONDS = 10.0

# By prefix, the most particular first; from BFL's docs and recorded traffic.
_USUAL_SECONDS = {
    "flux-2-klein": 1.0,
    "flux-2-max": 20.0,
    "flux-dev": 2.5,
    "flux-3-image": 60.0,
    "flux-3-video": 300.0,
    "flux-tools/video": 300.0,
}


def usual_seconds(model: str | None) -> float:
    """The usual time from submission to `ready`."""
    found = (s for prefix, s in _USUAL_SECONDS.items() if model and model.startswith(prefix))
    return next(found, USUAL_SECONDS)


def callback_grace(model: str | None) -> float:
    """Seconds in which the callback of a job is awaited before BFL is polled."""
    return max(usual_seconds(model) * GRACE_FACTOR, GRACE_MIN_SECONDS)
