"""Limits: tasks at BFL (`MAX_ACTIVE`), waiting submissions, requests of a key (`RATE_LIMIT`)."""

import re
from dataclasses import dataclass, field
from typing import NamedTuple, Self

from jobs.bfl.model_names import is_model, slot_model
from jobs.config.values import split_list
from jobs.domain.budgets import NamedBudgets

ACTIVE_MAX = 100_000
REQUESTS_MAX = 1_000_000
PERIODS = {"second": 1, "minute": 60, "hour": 3600, "day": 86400}
OFF = "off"

_NUMBER = re.compile(r"[0-9]{1,7}")
# From BFL's docs, per organisation.
BFL_TOTAL = 24
BFL_MODELS = {"flux-kontext-max": 6, "flux-3-video": 5}


@dataclass(frozen=True, slots=True)
class ConcurrencyLimits:
    """Maximum of active tasks in total, and by model where it is lower, at each BFL account."""

    total: int = BFL_TOTAL
    models: dict[str, int] = field(default_factory=lambda: dict(BFL_MODELS))
    accounts: tuple[str | None, ...] = (None,)  # by the name of an API key; None: BFL_API_KEY

    @classmethod
    def parse(cls, text: str) -> Self:
        """Parse `24,flux-kontext-max=6`; BFL's limits are the defaults. Raises ValueError."""
        totals: list[int] = []
        models: dict[str, int] = {}
        for part in split_list(text):
            model, equals, number = part.rpartition("=")
            most = _number(number.strip(), ACTIVE_MAX)
            if not most:
                raise ValueError(f"each number is from 1 to {ACTIVE_MAX}")
            if not equals:
                totals.append(most)
            elif is_model(model.strip()):
                name = slot_model(model.strip())
                models[name] = min(most, models.get(name, most))
            else:
                raise ValueError("each is a number, or model=number")
        if len(totals) > 1:
            raise ValueError("only one number is the total; the others need a model")
        total = BFL_TOTAL
        if totals:
            total = totals[0]
        return cls(total, BFL_MODELS | models)

    def for_model(self, model: str) -> int:
        return self.models.get(slot_model(model), self.total)


@dataclass(frozen=True, slots=True)
class QueueCapacity:
    """Maximum of waiting submissions and announced jobs, and what the jobs of a key may cost."""

    submissions: int = 10_000
    memory_share: float = 0.6  # of `maxmemory`: callbacks and workers keep the rest
    announced: int = 1000  # jobs that one key announced and BFL has never confirmed
    budgets: NamedBudgets = field(default_factory=dict)
    awaiting: int = 1000  # waiting submissions of one key that wait for its budget


class RateLimit(NamedTuple):
    """Requests in a period. A burst may use them all; the quota refills steadily (GCRA)."""

    requests: int
    seconds: int

    @classmethod
    def parse(cls, text: str) -> Self | None:
        """Parse `600/minute`; None for `off`. Raises ValueError."""
        if text == OFF:
            return None
        number, _, period = text.partition("/")
        requests = _number(number, REQUESTS_MAX)
        if not requests or period not in PERIODS:
            raise ValueError(
                f"must be number/second, /minute, /hour or /day, from 1 to {REQUESTS_MAX}, or off"
            )
        return cls(requests, PERIODS[period])


# Enough for a BFL client that polls each of 24 active jobs twice a second.
DEFAULT_RATE = RateLimit(6000, 60)


def _number(text: str, most: int) -> int | None:
    """A number from 1 to `most`, else None."""
    if not _NUMBER.fullmatch(text):
        return None
    number = int(text)
    if number < 1 or number > most:
        return None
    return number
