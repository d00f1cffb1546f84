"""What BFL said about a job, in our words, whoever heard it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from jobs.states import News, Source


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a job failed: a short code, and BFL's own message or ours."""

    code: str
    message: str


@dataclass(frozen=True, slots=True)
class Moderation:
    """Why BFL refused: at which stage (`request` or `content`), with its reasons."""

    stage: str
    reasons: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """One statement of BFL about one task.

    `said` is BFL's own status word, for the timeline only. `urls` are delivery URLs, byte-exact;
    `expires` is the unix time at which the first of them dies, None if they do not say.
    """

    task_id: str
    news: News
    source: Source
    said: str = ""
    urls: tuple[str, ...] = ()
    expires: float | None = None
    progress: float | None = None
    cost: float | None = None
    result: Mapping[str, Any] = field(default_factory=dict)
    failure: Failure | None = None
    moderation: Moderation | None = None
