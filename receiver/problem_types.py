"""Problem types (RFC 9457): the one list of errors with their statuses and codes.

The docstring of an error says what happened and what to do. `/docs/errors` and the table in
docs/api.md (by `make docs`) show the list.
"""

from typing import NamedTuple

from werkzeug import exceptions

from jobs.domain import errors

PAGE = "/docs/errors"  # shows the list


class ProblemType(NamedTuple):
    """Status and code; the text only of an error that is not Fluxkeep's own."""

    status: int
    code: str
    text: str = ""


UNEXPECTED = ProblemType(500, "internal_error", "An unexpected error occurred. The log has more.")
PROBLEM_TYPES: dict[type[Exception], ProblemType] = {
    errors.BadRequest: ProblemType(400, "bad_request"),
    errors.InvalidJson: ProblemType(400, "invalid_json"),
    errors.InvalidField: ProblemType(400, "invalid_parameter"),
    errors.InvalidReport: ProblemType(400, "invalid_report"),
    errors.Unauthorized: ProblemType(401, "no_key"),
    errors.WrongKey: ProblemType(401, "wrong_key"),
    errors.WrongSecret: ProblemType(401, "wrong_webhook_secret"),
    errors.OverBudget: ProblemType(402, "over_budget"),
    errors.PriceUnknown: ProblemType(402, "price_unknown"),
    errors.Forbidden: ProblemType(403, "forbidden"),
    errors.InvalidLink: ProblemType(403, "invalid_link"),
    errors.TooManyJobs: ProblemType(400, "too_many_jobs"),
    errors.UnknownJob: ProblemType(404, "unknown_job"),
    errors.UnknownBatch: ProblemType(404, "unknown_batch"),
    exceptions.NotFound: ProblemType(
        404, "not_found", "There is nothing at this path. `/docs` lists every path."
    ),
    exceptions.MethodNotAllowed: ProblemType(
        405, "method_not_allowed", "This path takes only the methods that `Allow` lists."
    ),
    errors.RequestTimeout: ProblemType(408, "request_timeout"),
    errors.WrongStatus: ProblemType(409, "wrong_status"),
    errors.OtherKey: ProblemType(409, "other_key"),
    errors.InputNotKept: ProblemType(409, "input_not_kept"),
    errors.CountChanged: ProblemType(409, "count_changed"),
    errors.MediaGone: ProblemType(410, "media_gone"),
    exceptions.PreconditionFailed: ProblemType(
        412, "precondition_failed", "The file has another ETag than `If-Match` names."
    ),
    errors.BodyTooLarge: ProblemType(413, "body_too_large"),
    errors.CompressedBody: ProblemType(415, "compressed_body"),
    exceptions.RequestedRangeNotSatisfiable: ProblemType(
        416,
        "range_not_satisfiable",
        "The range begins after the end: `Content-Range` has the size.",
    ),
    errors.Invalid: ProblemType(422, "invalid_field"),
    errors.IdempotencyKeyReused: ProblemType(422, "idempotency_key_reused"),
    errors.CountRequired: ProblemType(428, "count_required"),
    errors.RateLimited: ProblemType(429, "rate_limited"),
    errors.TooManyAnnounced: ProblemType(429, "too_many_announced"),
    errors.UnreadableRecord: ProblemType(500, "unreadable_record"),
    exceptions.InternalServerError: UNEXPECTED,
    # After a 503 the sender retries: BFL does, after 1, 5 and 30 s.
    errors.NoFreeSlot: ProblemType(503, "too_many_waiting"),  # never answered: callers catch it
    errors.TooManyWaiting: ProblemType(503, "too_many_waiting"),
    errors.StoreUnavailable: ProblemType(503, "redis_unavailable"),
    errors.ArchiveUnavailable: ProblemType(503, "archive_unavailable"),
    errors.StorageFull: ProblemType(503, "storage_full"),
    errors.QueueFull: ProblemType(503, "queue_full"),
    errors.StorageMisconfigured: ProblemType(503, "storage_unavailable"),
    errors.StorageError: ProblemType(503, "storage_unavailable"),
}


def problem_texts() -> dict[ProblemType, str]:
    """The cause and the remedy of each problem type.

    Where two errors have one type, the text is that of the later one in PROBLEM_TYPES.
    """
    texts: dict[ProblemType, str] = {}
    for error, problem_type in PROBLEM_TYPES.items():
        texts[problem_type] = problem_type.text or errors.message_of(error)
    return texts
