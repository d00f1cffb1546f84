"""Errors of Fluxkeep; the docstring is the default message: what happened, and what to do.

`receiver/problem_types.py` maps errors to HTTP status codes and to codes.
"""

from jobs.domain.bfl_report import ErrorCode

ERRORS_SHOWN = 3  # wrong fields in the message of one error


class FluxkeepError(Exception):
    """An error of Fluxkeep."""

    def __init__(self, detail: str = "") -> None:
        super().__init__(detail or message_of(type(self)))


def message_of(error: type[Exception]) -> str:
    """The docstring in one line."""
    return " ".join((error.__doc__ or "").split())


def as_sentence(text: str) -> str:
    """The text with a capital letter and a full stop."""
    sentence = text[:1].upper() + text[1:]
    if not text.endswith((".", "?")):
        sentence += "."
    return sentence


class InvalidSettings(FluxkeepError):
    """A setting is missing or invalid."""

    def __init__(self, *problems: str) -> None:
        super().__init__("; ".join(problems))
        self.problems = problems


# Errors of the caller.


class BadRequest(FluxkeepError):
    """The request is malformed. Correct what `detail` names."""


class InvalidJson(BadRequest):
    """The body is not strict JSON: one object in UTF-8, each name once. `detail` says where."""


class InvalidReport(BadRequest):
    """The body is not a report of BFL: it needs the task's `id` and its `status`."""


class InvalidField(BadRequest):
    """A parameter or header is wrong. `detail` and `errors` name it."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(f"{field}: {as_sentence(message)}")
        self.errors = [{"field": field, "message": message}]


class RequestTimeout(BadRequest):
    """The body did not arrive in time. Send it again, faster or in smaller requests."""


class BodyTooLarge(BadRequest):
    """The body is too large. `detail` names the limit."""


class CompressedBody(BadRequest):
    """The body is compressed. Send it as it is, without `Content-Encoding`."""


class Invalid(BadRequest):
    """A field of the body is wrong. `detail` and `errors` name it."""

    def __init__(self, errors: list[dict[str, str]]) -> None:
        sentences = []
        for error in errors[:ERRORS_SHOWN]:
            sentences.append(f"{error['field']}: {as_sentence(error['message'])}")
        if len(errors) > ERRORS_SHOWN:
            sentences.append(f"And {len(errors) - ERRORS_SHOWN} more.")
        super().__init__(" ".join(sentences))
        self.errors = errors


class Unauthorized(FluxkeepError):
    """No key: send one as `Authorization: Bearer <key>` or as `x-key: <key>`."""


class WrongKey(Unauthorized):
    """The key in `Authorization: Bearer` or `x-key` is not in `API_KEYS`. Use another."""


class WrongSecret(Unauthorized):
    """The callback is not proven by `WEBHOOK_SECRET`, or by its job's own secret.

    Give BFL `WEBHOOK_SECRET` as the `webhook_secret` of the task.
    """


class Forbidden(FluxkeepError):
    """The scope of this key does not allow that. Use a key with the scope in `detail`."""


class InvalidLink(FluxkeepError):
    """This link was not signed here, or by an older `SECRET_KEY`. Get the job for a new one."""


class UnknownJob(FluxkeepError):
    """No job has this id. It may have been deleted, or it is of another installation."""


class UnknownBatch(FluxkeepError):
    """No batch has this id. Each is kept for a week."""


class CountRequired(FluxkeepError):
    """This acts on all jobs that match. Send it again with `count` and `until` as they are here."""

    def __init__(self, detail: str = "", count: int = 0, until: float = 0.0) -> None:
        super().__init__(detail)
        self.count = count
        self.until = until


class CountChanged(CountRequired):
    """Another number of jobs matches than `count` says. See which, and send the one given here."""


class TooManyJobs(BadRequest):
    """Too many jobs or files match. Narrow the filter, for example with `since` and `until`."""


class WrongStatus(FluxkeepError):
    """The job's status does not allow that. `detail` says which one does."""


class OtherKey(WrongStatus):
    """Another API key brought this job: only that key and an admin may change it."""


class InputNotKept(WrongStatus):
    """The input of this job is not kept. Submit it with `POST /api/jobs`."""


class RateLimited(FluxkeepError):
    """Too many requests with this key, or wrong keys from your address. Wait for `Retry-After`."""

    def __init__(self, detail: str = "", retry_after: float = 1.0) -> None:
        super().__init__(detail)
        self.retry_after = retry_after


class TooManyAnnounced(RateLimited):
    """This key has announced `MAX_ANNOUNCED` jobs that BFL has not confirmed. Wait for these."""


class IdempotencyKeyReused(FluxkeepError):
    """The `Idempotency-Key` was used for another request. Take a new one."""


class OverBudget(FluxkeepError):
    """The budget of this key has no room for the job. Submit it again after `resets_at`.

    `"over_budget": "wait"` queues it instead.
    """

    def __init__(
        self, detail: str = "", budget: str = "", spent: float = 0.0, resets_at: float = 0.0
    ) -> None:
        super().__init__(detail)
        self.budget = budget
        self.spent = spent
        self.resets_at = resets_at
        self.price: float | None = None  # of the job, in credits
        self.is_guess = False  # the price is one, or nobody knows it
        self.is_final = False  # the whole budget would not be enough
        self.retry_after = 0.0


class PriceUnknown(OverBudget):
    """A job whose price BFL has not named yet holds what was left of the budget of this key.

    Submit it again after `resets_at`, when BFL may have named it.
    """


class MediaGone(FluxkeepError):
    """The link has expired, or its media were deleted. Get the job for new links."""


# Errors that may pass: the caller can try again.


class TooManyWaiting(FluxkeepError):
    """As many requests wait or watch as one process can hold. Wait for `Retry-After`."""


class StoreUnavailable(FluxkeepError):
    """Redis does not answer; nothing was recorded. Send it again after `Retry-After`."""


class ArchiveUnavailable(StoreUnavailable):
    """The database of ended jobs does not answer. Send it again after `Retry-After`."""


class QueueFull(FluxkeepError):
    """The submission queue is full. Send it again after `Retry-After`."""


class NoFreeSlot(FluxkeepError):
    """All concurrency slots at BFL are occupied."""


class StorageError(FluxkeepError):
    """The media storage failed; nothing was recorded. Send it again after `Retry-After`."""


class StorageMisconfigured(StorageError):
    """The bucket does not exist, or refuses access."""


class StorageFull(StorageError):
    """The media storage is full. Make room; send it again after `Retry-After`."""


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


class BflKeyRefused(BflUnavailable):
    """BFL refuses the key in BFL_API_KEY."""


class BflKeyMissing(BflUnavailable):
    """The BFL key of this job is not configured any more; no other key may pay for it."""


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


class UnreadableRecord(FluxkeepError):
    """A record in Redis cannot be read. Run `flask --app receiver repair`."""


class Evicted(FluxkeepError):
    """The job has ended, and only the archive has its record."""

    def __init__(self, status: str = "") -> None:
        super().__init__()
        self.status = status


class UnknownToRedis(FluxkeepError):
    """Redis has neither a record nor a tombstone of the job; the archive may have its row."""


class ReportRefused(FluxkeepError):
    """The report is not about this job."""

    def __init__(self, detail: str = "", job_id: str | None = None) -> None:
        super().__init__(detail)
        self.job_id = job_id  # of the job that it names


class ForeignObject(FluxkeepError):
    """The object in the storage was not written by Fluxkeep."""
