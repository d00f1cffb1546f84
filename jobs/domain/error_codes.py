"""Codes of `error` in a job: stable, and found in docs/api.md."""

from enum import StrEnum


class ErrorCode(StrEnum):
    """Codes of `error` in a job; BFL's own codes appear as BFL sends them."""

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
