"""Rate limit of each API key (`RATE_LIMIT`)."""

import re
from typing import NamedTuple, Self

REQUESTS_MAX = 1_000_000
PERIODS = {"second": 1, "minute": 60, "hour": 3600, "day": 86400}
OFF = "off"

_NUMBER = re.compile(r"[0-9]{1,7}")


class RateLimit(NamedTuple):
    """Requests in a period. A burst may use them all; the quota refills steadily (GCRA)."""

    requests: int
    seconds: int

    @classmethod
    def parse(cls, text: str) -> Self | None:
        """Parse `600/minute`; None for `off`. Raises ValueError."""
        number, _, period = text.partition("/")
        requests = int(number) if _NUMBER.fullmatch(number) else 0
        if text == OFF:
            return None
        if period not in PERIODS or not 1 <= requests <= REQUESTS_MAX:
            raise ValueError(
                f"must be number/second, /minute, /hour or /day, from 1 to {REQUESTS_MAX}, or off"
            )
        return cls(requests, PERIODS[period])


# Enough for a BFL client that polls each of 24 active jobs twice a second.
DEFAULT = RateLimit(6000, 60)
