"""Report: one statement of BFL about a task, by callback, poll or replay; codes of failures."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Literal

from jobs.domain.status import ReportKind, Source

URL_LIFE_SECONDS = 600.0  # by BFL's docs; for URLs without an expiry of their own
URL_LIFE_MAX_SECONDS = 7 * 86400.0  # limits a stated expiry such as the year 9999


class Role(StrEnum):
    """Role of a file in its result."""

    SAMPLE = "sample"
    DRAFT_CACHE = "draft_cache"
    INPUT = "input"  # given to BFL with the submission
    OTHER = "other"  # a signed URL in a field that BFL's docs do not name


class ErrorCode(StrEnum):
    """Codes of `error` in a job, as in docs/api.md; BFL's own codes appear as BFL sends them."""

    BFL_ERROR = "bfl_error"
    BFL_UNAVAILABLE = "bfl_unavailable"
    INVALID_INPUT = "invalid_input"
    UNKNOWN_MODEL = "unknown_model"
    NO_TASK = "no_task"
    NOT_SUBMITTED = "not_submitted"
    INPUT_LOST = "input_lost"
    DRAFT_GONE = "draft_gone"
    SUBMISSION_UNCONFIRMED = "submission_unconfirmed"
    NO_FINAL_WORD = "no_final_word"
    STILL_PENDING = "still_pending"
    EXPIRED = "expired"
    UNAVAILABLE = "unavailable"
    REFUSED_MEDIA = "refused_media"
    REFUSED_URL = "refused_url"
    NOT_MEDIA = "not_media"
    MEDIA_TOO_LARGE = "media_too_large"
    POISON = "poison"


# Failures of submissions of which BFL may still have made a task.
UNCONFIRMED_CODES = (ErrorCode.BFL_UNAVAILABLE, ErrorCode.SUBMISSION_UNCONFIRMED)


@dataclass(frozen=True, slots=True)
class Failure:
    """Failure of a job: a short code, and a message of BFL or of Fluxkeep.

    `http_status` and `answer` (JSON) are BFL's response to a submission that it refused; the
    BFL-compatible API repeats them.
    """

    code: str
    message: str
    http_status: int | None = None
    answer: Any = None


Stage = Literal["request", "content"]


@dataclass(frozen=True, slots=True)
class Moderation:
    """Refusal by BFL's moderation: its stage and its reasons."""

    stage: Stage
    reasons: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """One statement of BFL about one task.

    `status_text` is BFL's own status, for the timeline only. `urls` are delivery URLs, byte-exact,
    each with its role; `left_out` counts the URLs beyond a job's maximum. `stated_expiry` is the
    unix time at which the first URL expires, None if the URLs do not state it. `is_alive` means
    that BFL credibly reports work on the task. `result` has references in place of the URLs
    (`jobs/domain/media_references.py`). `unusable_cost` is what BFL named where a price belongs.
    """

    task_id: str
    kind: ReportKind
    source: Source
    status_text: str = ""
    urls: tuple[str, ...] = ()
    roles: tuple[Role, ...] = ()
    left_out: int = 0
    stated_expiry: float | None = None
    is_alive: bool = False
    progress: float | None = None
    cost: float | None = None
    unusable_cost: str | None = None
    result: Mapping[str, Any] = field(default_factory=dict)
    error: Failure | None = None
    moderation: Moderation | None = None

    def expires_at(self, now: float) -> float:
        """The unix time at which the first URL expires, as stated or else as BFL's docs say."""
        expires_at = self.stated_expiry
        if expires_at is None:
            expires_at = now + URL_LIFE_SECONDS
        return min(expires_at, now + URL_LIFE_MAX_SECONDS)


@dataclass(frozen=True, slots=True, kw_only=True)
class SubmissionReceipt:
    """BFL's answer to an accepted submission; megapixels are of the input and the output."""

    task_id: str
    polling_url: str | None = None
    cost: float | None = None
    unusable_cost: str | None = None
    megapixels: tuple[float | None, float | None] = (None, None)
