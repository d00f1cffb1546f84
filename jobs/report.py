"""Report: one statement of BFL about a task, from a callback, a poll or a replay."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Literal

from jobs.status import ReportKind, Source

URL_LIFE_SECONDS = 600.0  # what BFL's docs promise when the URL itself does not say
URL_LIFE_MAX_SECONDS = 7 * 86400.0  # an `se` in the year 9999 is no time to plan with


class Role(StrEnum):
    """The place of a file in its result."""

    SAMPLE = "sample"
    DRAFT_CACHE = "draft_cache"
    OTHER = "other"  # a signed URL in a place that BFL's docs do not name


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a job failed: a short code, and BFL's own message or ours.

    `status` and `said` are BFL's answer to a submission it refused, for clients that speak BFL.
    """

    code: str
    message: str
    status: int | None = None
    said: Any = None


Stage = Literal["request", "content"]


@dataclass(frozen=True, slots=True)
class Moderation:
    """Why BFL refused: at which stage (`request` or `content`), with its reasons."""

    stage: Stage
    reasons: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """One statement of BFL about one task.

    `said` is BFL's own status word, for the timeline only. `urls` are delivery URLs, byte-exact,
    each with its role, without the `left_out` ones beyond the most a job can have; `expires` is
    the unix time at which the first of them dies, None if they do not say. `is_alive` means that
    BFL is at work on the task, as far as its word can be trusted. In `result` a mark
    stands for each URL (`jobs/bfl/results.py`).
    """

    task_id: str
    news: ReportKind
    source: Source
    said: str = ""
    urls: tuple[str, ...] = ()
    roles: tuple[Role, ...] = ()
    left_out: int = 0
    expires: float | None = None
    is_alive: bool = False
    progress: float | None = None
    cost: float | None = None
    result: Mapping[str, Any] = field(default_factory=dict)
    error: Failure | None = None
    moderation: Moderation | None = None

    def death(self, now: float) -> float:
        """When the first of its URLs dies, in unix seconds."""
        expires = now + URL_LIFE_SECONDS if self.expires is None else self.expires
        return min(expires, now + URL_LIFE_MAX_SECONDS)


def quoted(known: float | None, price: float | None, settled: float | None) -> float | None:
    """The quote, where the settled price differs from it by more than rounding.

    Until a price is settled, the one on record is the quote, and none is known apart from it.
    """
    quote = price if known is None else known
    if quote is None or settled is None:
        return known
    return None if math.isclose(quote, settled) else quote


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """BFL's answer to a submission: the task it made."""

    task_id: str
    polling_url: str | None = None
    cost: float | None = None
    megapixels: tuple[float | None, float | None] = (None, None)
