"""Rate limits of API keys: one default, and exceptions for keys by name (`RATE_LIMITS`)."""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple, Self

from jobs.config.values import parse_named

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
                f"each is number/second, /minute, /hour or /day, from 1 to {REQUESTS_MAX}, or off"
            )
        return cls(requests, PERIODS[period])


# Enough for a BFL client that polls each of 24 active jobs twice a second.
DEFAULT = RateLimit(6000, 60)


@dataclass(frozen=True, slots=True)
class RateLimits:
    """The default limit, and the limits of named keys. None is no limit."""

    default: RateLimit | None = DEFAULT
    named: Mapping[str, RateLimit | None] = field(default_factory=dict)

    @classmethod
    def parse(cls, text: str) -> Self:
        """Parse `600/minute,alice=60/minute,bob=off`. Raises ValueError."""
        too_many = "only one default rate is allowed; the others need the name of a key"
        default, named = parse_named(text, RateLimit.parse, too_many)
        return cls(default[0] if default else DEFAULT, named)

    def for_key(self, name: str) -> RateLimit | None:
        return self.named.get(name, self.default)

    def check(self, names: Collection[str]) -> None:
        """Raises ValueError for an unknown name: a typing error must not leave a key unlimited."""
        if not set(self.named) <= set(names):
            raise ValueError("names a key that API_KEYS does not have")
