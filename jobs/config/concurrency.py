"""Concurrency limits of tasks at BFL, and the capacity of the submission queue."""

import re
from dataclasses import dataclass, field
from typing import Self

from jobs.config.values import parse_named

ACTIVE_MAX = 100_000

# A path of safe segments, none of which is dots alone.
_SEGMENT = r"\.*[A-Za-z0-9_-][A-Za-z0-9._-]*"
MODEL = f"{_SEGMENT}(/{_SEGMENT})*"
_NUMBER = re.compile(r"[0-9]{1,6}")
# From BFL's docs, per organisation.
BFL_TOTAL = 24
BFL_MODELS = {"flux-kontext-max": 6, "flux-3-video": 5}


@dataclass(frozen=True, slots=True)
class ConcurrencyLimits:
    """Maximum of active tasks in total, and by model where it is lower."""

    total: int = BFL_TOTAL
    models: dict[str, int] = field(default_factory=lambda: dict(BFL_MODELS))

    @classmethod
    def parse(cls, text: str) -> Self:
        """Parse `24,flux-kontext-max=6`; BFL's limits are the defaults. Raises ValueError."""
        too_many = "only one number is the total; the others need a model"
        totals, models = parse_named(text, _number, too_many)
        if not all(map(is_model, models)):
            raise ValueError("each is a number, or model=number")
        return cls(totals[0] if totals else BFL_TOTAL, BFL_MODELS | models)

    def for_model(self, model: str) -> int:
        return self.models.get(model, self.total)


@dataclass(frozen=True, slots=True)
class QueueCapacity:
    """Maximum of waiting submissions and unconfirmed jobs: Redis holds them in memory."""

    inputs: int = 10_000
    bytes: int = 512 * 2**20
    unconfirmed: int = 1000  # jobs that one key announced and BFL has never confirmed


def is_model(name: str) -> bool:
    """Whether a name is a path of safe segments; BFL decides whether the model exists."""
    return re.fullmatch(MODEL, name) is not None


def _number(text: str) -> int:
    most = int(text) if _NUMBER.fullmatch(text) else 0
    if not 1 <= most <= ACTIVE_MAX:
        raise ValueError(f"each number is from 1 to {ACTIVE_MAX}")
    return most
