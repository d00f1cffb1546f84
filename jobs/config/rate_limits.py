"""How many requests a key may make: one rate for every key, and others for keys by their names."""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple, Self

REQUESTS_MAX = 1_000_000
PERIODS = {"second": 1, "minute": 60, "hour": 3600, "day": 86400}
OFF = "off"

_NUMBER = re.compile(r"[0-9]{1,7}")


class RateLimit(NamedTuple):
    """So many requests in so many seconds. All may come at once; they grow back steadily."""

    requests: int
    seconds: int

    @classmethod
    def read(cls, text: str) -> Self | None:
        """`600/minute`; None for `off`. Raises ValueError."""
        number, _, period = text.partition("/")
        requests = int(number) if _NUMBER.fullmatch(number) else 0
        if text == OFF:
            return None
        if period not in PERIODS or not 1 <= requests <= REQUESTS_MAX:
            raise ValueError(
                f"each is number/second, /minute, /hour or /day, from 1 to {REQUESTS_MAX}, or off"
            )
        return cls(requests, PERIODS[period])


# A client of BFL's API may poll each of 24 active jobs twice a second, and then some.
USUAL = RateLimit(6000, 60)


@dataclass(frozen=True, slots=True)
class RateLimits:
    """What any key may make of requests, and what keys of certain names may instead."""

    usual: RateLimit | None = USUAL
    named: Mapping[str, RateLimit | None] = field(default_factory=dict)

    @classmethod
    def read(cls, text: str) -> Self:
        """`600/minute,alice=60/minute,bob=off`. Raises ValueError."""
        usual, named = [], {}
        for part in filter(None, map(str.strip, text.split(","))):
            name, equals, rate = part.rpartition("=")
            quota = RateLimit.read(rate.strip())
            if equals:
                named[name.strip()] = quota
            else:
                usual.append(quota)
        if len(usual) > 1:
            raise ValueError("only one rate is for every key; the others need the name of a key")
        return cls(usual[0] if usual else USUAL, named)

    def of(self, name: str) -> RateLimit | None:
        return self.named.get(name, self.usual)

    def check(self, names: Collection[str]) -> None:
        """A name that is mistyped must not leave its key without a limit. Raises ValueError."""
        if not set(self.named) <= set(names):
            raise ValueError("names a key that API_KEYS does not have")
