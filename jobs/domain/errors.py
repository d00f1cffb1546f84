"""Errors of Fluxkeep; the docstring is the default message.

`receiver/problem_details.py` maps errors to HTTP status codes.
"""

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


class FluxkeepError(Exception):
    """An error of Fluxkeep."""

    def __init__(self, detail: str = "") -> None:
        super().__init__(detail or type(self).__doc__ or "")


class InvalidSettings(FluxkeepError):
    """A setting is missing or invalid."""

    def __init__(self, *problems: str) -> None:
        super().__init__("; ".join(problems))
        self.problems = problems


# Errors of the caller.


class BadRequest(FluxkeepError):
    """The request is malformed."""


class InvalidReport(BadRequest):
    """The body is not a report from BFL."""


class InvalidField(BadRequest):
    """A parameter has an invalid value."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(f"{field}: {message}")
        self.errors = [{"field": field, "message": message}]


class RequestTimeout(BadRequest):
    """The body did not arrive in time."""


class BodyTooLarge(BadRequest):
    """The body is too large."""


class Invalid(BadRequest):
    """The body is well formed, but a field is invalid."""

    def __init__(self, errors: list[dict[str, str]]) -> None:
        super().__init__()
        self.errors = errors


class Unauthorized(FluxkeepError):
    """Authentication is missing or invalid."""


class Forbidden(FluxkeepError):
    """The scope of this key does not allow that."""


class InvalidLink(FluxkeepError):
    """The signature of the link is invalid."""


class UnknownJob(FluxkeepError):
    """No job has this id."""


class WrongStatus(FluxkeepError):
    """The job's status does not allow that."""


class RateLimited(FluxkeepError):
    """Too many requests: try again later."""

    def __init__(self, detail: str = "", retry_after: float = 1.0) -> None:
        super().__init__(detail)
        self.retry_after = retry_after


class IdempotencyKeyReused(FluxkeepError):
    """The Idempotency-Key was used for another request."""


class MediaGone(FluxkeepError):
    """The link has expired, or its media were deleted."""


# Errors that may pass: the caller can try again.


class TooManyWaiting(FluxkeepError):
    """This process holds as many long-lived requests as it can."""


class StoreUnavailable(FluxkeepError):
    """Redis does not answer; nothing was recorded."""


class QueueFull(FluxkeepError):
    """The submission queue is full; nothing was recorded. Try again later."""

    code = "queue_full"


class NoFreeSlot(FluxkeepError):
    """All concurrency slots at BFL are occupied."""


class StorageError(FluxkeepError):
    """The media storage failed."""


class StorageMisconfigured(StorageError):
    """The bucket does not exist, or refuses access."""


class StorageFull(StorageError):
    """The media storage is full."""

    code = QueueFull.code


class TransferFailed(FluxkeepError):
    """The download was cut off, or its bytes do not match its headers."""

    code = ErrorCode.UNAVAILABLE


class ConnectionFailed(TransferFailed):
    """No connection was made, so no request was sent."""


class BflUnavailable(FluxkeepError):
    """BFL gave no valid answer."""

    def __init__(self, detail: str = "", retry_after: float | None = None) -> None:
        super().__init__(detail)
        self.retry_after = retry_after


# Errors that stay: another attempt has the same end.


class UrlExpired(FluxkeepError):
    """The delivery URL has expired."""

    code = ErrorCode.EXPIRED


class MediaRefused(FluxkeepError):
    """The media must not be stored."""

    code = ErrorCode.REFUSED_MEDIA


class UrlRefused(MediaRefused):
    """The URL does not lead to a known host of BFL."""

    code = ErrorCode.REFUSED_URL


class UnknownHost(UrlRefused):
    """The delivery host is not allowed, but an operator may allow it while the URL lives."""

    def __init__(self, host: str, why: str) -> None:
        super().__init__(f"the delivery host {host} {why}; DELIVERY_HOSTS can allow it")
        self.host = host


class NotMedia(MediaRefused):
    """The bytes are not an image or a video."""

    code = ErrorCode.NOT_MEDIA


class MediaTooLarge(MediaRefused):
    """The media are larger than MAX_MEDIA_BYTES."""

    code = ErrorCode.MEDIA_TOO_LARGE


class InvalidDocument(FluxkeepError):
    """BFL's OpenAPI document cannot be used."""


class UnreadableRecord(FluxkeepError):
    """A record in Redis cannot be read."""


class InputLost(FluxkeepError):
    """The input of this submission is gone from the storage."""


class ReportRefused(FluxkeepError):
    """The report is not about this job."""


class ForeignObject(FluxkeepError):
    """The object in the storage was not written by Fluxkeep."""


class ClaimLost(FluxkeepError):
    """Another worker claimed the job, or it has ended."""
