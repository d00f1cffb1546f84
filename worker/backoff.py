"""How long to wait before the next try: longer each time, never in step with others."""

import random

GROWTH = 1.6
JITTER = 0.2


def pause(attempts: int, first: float, longest: float) -> float:
    """Seconds before try number `tries + 1`, between `first` and `longest`, ± 20 %."""
    seconds = min(first * GROWTH ** min(attempts, 64), longest)
    return seconds * random.uniform(1 - JITTER, 1 + JITTER)  # noqa: S311 - no secret depends on it
