"""Everything that can go wrong, said once: the docstring is the message.

`receiver/problem_details.py` maps the first half to HTTP; the worker decides on the second.
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
    """Something went wrong."""

    def __init__(self, detail: str = "") -> None:
        super().__init__(detail or type(self).__doc__ or "")


class InvalidSettings(FluxkeepError):
    """A setting is missing or makes no sense."""

    def __init__(self, *problems: str) -> None:
        super().__init__("; ".join(problems))
        self.problems = problems


# What a caller can do wrong.


class BadRequest(FluxkeepError):
    """The request cannot be understood."""


class InvalidReport(BadRequest):
    """The body is not a report from BFL."""


class InvalidField(BadRequest):
    """A parameter has a value it cannot have."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(f"{field}: {message}")
        self.errors = [{"field": field, "message": message}]


class RequestTimeout(BadRequest):
    """The body did not arrive in time."""


class BodyTooLarge(BadRequest):
    """The body is larger than it may be."""


class Invalid(BadRequest):
    """The body is well formed but says something it may not."""

    def __init__(self, errors: list[dict[str, str]]) -> None:
        super().__init__()
        self.errors = errors


class Unauthorized(FluxkeepError):
    """Authentication is missing or wrong."""


class Forbidden(FluxkeepError):
    """This key may not do that."""


class InvalidLink(FluxkeepError):
    """The link was not signed here."""


class UnknownJob(FluxkeepError):
    """No job has this id."""


class WrongStatus(FluxkeepError):
    """The job's state does not allow that."""


class RateLimited(FluxkeepError):
    """Too many requests: come again later."""

    def __init__(self, detail: str = "", retry_after: float = 1.0) -> None:
        super().__init__(detail)
        self.retry_after = retry_after


class IdempotencyKeyReused(FluxkeepError):
    """The same Idempotency-Key came with another request before."""


class MediaGone(FluxkeepError):
    """The link has expired or its media were deleted."""


# What can break under us: asking again later may help.


class TooManyWaiting(FluxkeepError):
    """As many as this process can hold are waiting or watching already."""


class StoreUnavailable(FluxkeepError):
    """Redis does not answer; nothing was recorded."""


class QueueFull(FluxkeepError):
    """Too many jobs wait in line for BFL; nothing was recorded, so come again later."""


class UnreadableRecord(FluxkeepError):
    """A record in Redis cannot be read."""


class StorageError(FluxkeepError):
    """The media storage refused."""


class StorageMisconfigured(StorageError):
    """The bucket does not exist, or does not let us in."""


class TransferFailed(FluxkeepError):
    """The download broke off, or its bytes are not the ones that were promised."""


class ConnectionFailed(TransferFailed):
    """No connection came about, so nothing was asked of anybody."""


class BflUnavailable(FluxkeepError):
    """BFL gave no usable answer."""

    def __init__(self, detail: str = "", retry_after: float | None = None) -> None:
        super().__init__(detail)
        self.retry_after = retry_after


# What asking again cannot mend.


class UrlExpired(FluxkeepError):
    """The delivery URL has expired."""

    code = ErrorCode.EXPIRED


class MediaRefused(FluxkeepError):
    """The media may not be taken."""

    code = ErrorCode.REFUSED_MEDIA


class UrlRefused(MediaRefused):
    """The URL does not lead to a host BFL is known to use."""

    code = ErrorCode.REFUSED_URL


class UnknownHost(UrlRefused):
    """The delivery host is not allowed, but an operator may allow it while the URL lives."""

    def __init__(self, host: str, why: str) -> None:
        super().__init__(f"the delivery host {host} {why}; DELIVERY_HOSTS can allow it")


class NotMedia(MediaRefused):
    """The bytes are not an image or a video."""

    code = ErrorCode.NOT_MEDIA


class MediaTooLarge(MediaRefused):
    """The media are larger than MAX_MEDIA_BYTES."""

    code = ErrorCode.MEDIA_TOO_LARGE


class ForeignObject(FluxkeepError):
    """What lies in the storage was not written by Fluxkeep."""


class NoFreeSlot(FluxkeepError):
    """All slots at BFL are taken."""


class ClaimLost(FluxkeepError):
    """Another worker took the job over, or it has ended."""
