"""Exponential backoff with jitter."""

import random

GROWTH = 1.6
JITTER = 0.2


def backoff_seconds(attempts: int, first: float, longest: float) -> float:
    """Seconds until the next attempt, from `first` to `longest`, ± 20 %."""
    seconds = min(first * GROWTH ** min(attempts, 64), longest)
    return seconds * random.uniform(1 - JITTER, 1 + JITTER)  # noqa: S311 - no secret depends on it
