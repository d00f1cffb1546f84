"""What BFL said about a job, in our words, whoever heard it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from jobs.kept import Role
from jobs.states import News, Source

URL_LIFE_SECONDS = 600.0  # what BFL's docs promise when the URL itself does not say


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
    each with its role; `expires` is the unix time at which the first of them dies, None if they
    do not say.
    """

    task_id: str
    news: News
    source: Source
    said: str = ""
    urls: tuple[str, ...] = ()
    roles: tuple[Role, ...] = ()
    expires: float | None = None
    progress: float | None = None
    cost: float | None = None
    result: Mapping[str, Any] = field(default_factory=dict)
    failure: Failure | None = None
    moderation: Moderation | None = None

    def death(self, now: float) -> float:
        """When the first of its URLs dies, in unix seconds."""
        return self.expires if self.expires is not None else now + URL_LIFE_SECONDS


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """BFL's answer to a submission: the task it made."""

    task_id: str
    polling_url: str | None = None
    cost: float | None = None
    megapixels: tuple[float | None, float | None] = (None, None)
