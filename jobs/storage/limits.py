"""Time limits of requests to a bucket."""

from typing import NamedTuple


class RequestLimits(NamedTuple):
    """Total time of one request to a bucket in seconds, and its number of retries."""

    seconds: float
    retries: int


BACKGROUND_LIMITS = RequestLimits(60.0, 3)
WEB_LIMITS = RequestLimits(4.0, 1)
START_LIMITS = RequestLimits(10.0, 1)
