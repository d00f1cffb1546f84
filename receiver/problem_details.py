"""Error responses: RFC 9457 problem details, or BFL's own error bodies under `/v1`.

`STATUS` maps every error to its HTTP status.
"""

import logging
import math
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

from flask import Flask, Response, json, request
from werkzeug.exceptions import HTTPException

from jobs.bfl import compat
from jobs.bfl import submissions as bfl_submissions
from jobs.domain import errors
from jobs.domain.errors import FluxkeepError
from receiver.schemas.endpoint import JSON, PROBLEM

STATUS: dict[type[FluxkeepError], HTTPStatus] = {
    errors.BadRequest: HTTPStatus.BAD_REQUEST,
    errors.InvalidReport: HTTPStatus.BAD_REQUEST,
    errors.InvalidField: HTTPStatus.BAD_REQUEST,
    errors.RequestTimeout: HTTPStatus.REQUEST_TIMEOUT,
    errors.BodyTooLarge: HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    errors.Invalid: HTTPStatus.UNPROCESSABLE_ENTITY,
    errors.Unauthorized: HTTPStatus.UNAUTHORIZED,
    errors.Forbidden: HTTPStatus.FORBIDDEN,
    errors.InvalidLink: HTTPStatus.FORBIDDEN,
    errors.RateLimited: HTTPStatus.TOO_MANY_REQUESTS,
    errors.IdempotencyKeyReused: HTTPStatus.UNPROCESSABLE_ENTITY,
    errors.UnknownJob: HTTPStatus.NOT_FOUND,
    errors.WrongStatus: HTTPStatus.CONFLICT,
    errors.MediaGone: HTTPStatus.GONE,
    # After a 503 the sender retries: BFL does, after 1, 5 and 30 s.
    errors.TooManyWaiting: HTTPStatus.SERVICE_UNAVAILABLE,
    errors.StoreUnavailable: HTTPStatus.SERVICE_UNAVAILABLE,
    errors.QueueFull: HTTPStatus.SERVICE_UNAVAILABLE,
    errors.StorageError: HTTPStatus.SERVICE_UNAVAILABLE,
    errors.NoFreeSlot: HTTPStatus.SERVICE_UNAVAILABLE,  # its callers handle it
    errors.StorageFull: HTTPStatus.SERVICE_UNAVAILABLE,
    errors.StorageMisconfigured: HTTPStatus.SERVICE_UNAVAILABLE,
    errors.UnreadableRecord: HTTPStatus.INTERNAL_SERVER_ERROR,
}
HEADERS: dict[HTTPStatus, dict[str, str]] = {
    HTTPStatus.UNAUTHORIZED: {"WWW-Authenticate": "Bearer"},
    HTTPStatus.SERVICE_UNAVAILABLE: {"Retry-After": "5"},
}

BFL_PATHS = "/v1/"

log = logging.getLogger(__name__)


def register(app: Flask) -> None:
    """Register the error handlers of an application."""
    app.register_error_handler(FluxkeepError, _product_error)
    app.register_error_handler(HTTPException, _http_error)
    app.register_error_handler(Exception, _unexpected_error)


def _product_error(error: FluxkeepError) -> Response:
    status = STATUS[type(error)]
    response = problem(status, str(error), **_fields(error))
    if isinstance(error, errors.RateLimited):
        response.headers["Retry-After"] = str(math.ceil(error.retry_after))
    return response


def _fields(error: FluxkeepError) -> dict[str, Any]:
    """The wrong fields, or a code. BFL's error bodies locate only fields of a body."""
    under_v1 = request.path.startswith(BFL_PATHS)
    if isinstance(error, errors.Invalid) or (
        isinstance(error, errors.InvalidField) and not under_v1
    ):
        return {"errors": error.errors}
    if isinstance(error, errors.QueueFull | errors.StorageFull) and not under_v1:
        return {"code": error.code}
    return {}


def _http_error(error: HTTPException) -> Response:
    """Errors that werkzeug raises, such as 404 and 405."""
    response = problem(HTTPStatus(error.code or 500), error.description or "")
    for name, value in error.get_headers():  # Allow, Content-Range
        if name.lower() not in ("content-type", "content-length"):
            response.headers[name] = value
    return response


def _unexpected_error(error: Exception) -> Response:
    """500 for a defect. Only its type and line are logged: its text could hold a secret."""
    trace = error.__traceback__
    while trace and trace.tb_next:
        trace = trace.tb_next
    location = f"{trace.tb_frame.f_code.co_qualname}:{trace.tb_lineno}" if trace else "?"
    log.error("unexpected %s in %s", type(error).__name__, location)
    return problem(HTTPStatus.INTERNAL_SERVER_ERROR, "An unexpected error occurred.")


def problem(status: HTTPStatus, detail: str, **extra: Any) -> Response:
    """A problem document; `type` is about:blank, so `title` is the status phrase."""
    if request.path.startswith(BFL_PATHS):
        return _bfl_problem(status, detail, **extra)
    body = {"title": status.phrase, "status": int(status), "detail": detail, **extra}
    return _response(body, status, PROBLEM)


def _bfl_only_path() -> str | None:
    """The path under `/v1` of a request that only BFL itself can answer."""
    path = request.path.removeprefix(BFL_PATHS)
    return path if path.partition("/")[0] in bfl_submissions.BFL_ONLY_PATHS else None


def _bfl_problem(
    status: HTTPStatus, detail: str, errors: Sequence[Mapping[str, str]] = ()
) -> Response:
    """For clients of BFL's own API: its error bodies, and its 403 for a wrong key."""
    if status is HTTPStatus.UNAUTHORIZED:
        status, detail = HTTPStatus.FORBIDDEN, compat.NOT_AUTHENTICATED
    if status is HTTPStatus.NOT_FOUND:
        path = _bfl_only_path()
        detail = bfl_submissions.explain_no_generation(path) if path else status.phrase
    body = compat.error(compat.validation_errors(errors) or detail, detail)
    return _response(body, status, JSON)


def _response(body: Mapping[str, Any], status: HTTPStatus, mimetype: str) -> Response:
    return Response(json.dumps(body), status, HEADERS.get(status), mimetype)
