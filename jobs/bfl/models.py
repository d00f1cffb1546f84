"""Typical duration of BFL's models, and the grace before the first poll.

The list of models grows: an unknown model gets the default duration.
"""

GRACE_FACTOR = 6  # long enough that a job with a callback is rarely polled
GRACE_MIN_SECONDS = 10.0
TYPICAL_SECONDS = 10.0

# By prefix, most specific first; from BFL's docs and recorded traffic.
_TYPICAL_SECONDS = {
    "flux-2-klein": 1.0,
    "flux-2-max": 20.0,
    "flux-dev": 2.5,
    "flux-3-image": 60.0,
    "flux-3-video": 300.0,
    "flux-tools/video": 300.0,
}


def typical_seconds(model: str | None) -> float:
    """Return a model's typical time from submission to `ready`."""
    found = (s for prefix, s in _TYPICAL_SECONDS.items() if model and model.startswith(prefix))
    return next(found, TYPICAL_SECONDS)


def callback_grace(model: str | None) -> float:
    """Return the seconds to wait for a callback before the first poll."""
    return max(typical_seconds(model) * GRACE_FACTOR, GRACE_MIN_SECONDS)
