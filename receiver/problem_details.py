"""Error responses: RFC 9457 problem details (`problem_types.py`), or BFL's bodies under `/v1`."""

import logging
import math
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from types import MappingProxyType
from typing import Any

from flask import Flask, Response, json, request
from werkzeug.exceptions import HTTPException

from jobs.bfl import compat
from jobs.bfl import submissions as bfl_submissions
from jobs.domain import errors
from jobs.domain.errors import FluxkeepError, as_sentence
from jobs.domain.timestamps import rfc3339
from receiver.problem_types import PAGE, PROBLEM_TYPES, UNEXPECTED, ProblemType
from receiver.schemas.endpoint_spec import JSON, PROBLEM

STATUS = {
    error: HTTPStatus(kind.status)
    for error, kind in PROBLEM_TYPES.items()
    if issubclass(error, FluxkeepError)
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
    wrong = getattr(error, "errors", [])
    members: dict[str, Any] = {}
    if isinstance(error, errors.OverBudget):
        members = {"budget": error.budget, "spent": error.spent}
        members["resets_at"] = rfc3339(error.resets_at)
    if isinstance(error, errors.CountRequired):
        members = {"count": error.count, "until": rfc3339(error.until)}
    response = problem(PROBLEM_TYPES[type(error)], detail_of(error), wrong, members)
    if isinstance(error, errors.RateLimited | errors.OverBudget):
        response.headers["Retry-After"] = str(math.ceil(error.retry_after))
    return response


def detail_of(error: FluxkeepError) -> str:
    """Sentences for people about what is wrong and where."""
    detail, default = str(error), errors.message_of(type(error))
    if isinstance(error, errors.StoreUnavailable | errors.StorageError) and detail != default:
        detail = f"{default} {as_sentence(detail)}"
    return detail if getattr(error, "errors", []) else as_sentence(detail)


def _http_error(error: HTTPException) -> Response:
    """Errors that werkzeug raises, such as 404 and 405."""
    kind = PROBLEM_TYPES.get(type(error)) or PROBLEM_TYPES[errors.BadRequest]
    status = HTTPStatus(error.code or kind.status)
    response = problem(kind._replace(status=status), kind.text or error.description or "")
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
    return problem(UNEXPECTED, UNEXPECTED.text)


def problem(
    kind: ProblemType,
    detail: str,
    wrong: Sequence[Mapping[str, str]] = (),
    members: Mapping[str, Any] = MappingProxyType({}),
) -> Response:
    """A problem document, with more members; under `/v1` an error of BFL's API."""
    status = HTTPStatus(kind.status)
    wrong = [{**one, "message": as_sentence(one["message"])} for one in wrong]
    if request.path.startswith(BFL_PATHS):
        if status is HTTPStatus.UNAUTHORIZED:  # BFL has 403 for a wrong key
            status, detail = HTTPStatus.FORBIDDEN, compat.NOT_AUTHENTICATED
        if status is HTTPStatus.NOT_FOUND:
            path = request.path.removeprefix(BFL_PATHS)
            is_bfl_only = path.partition("/")[0] in bfl_submissions.BFL_ONLY_PATHS
            detail = bfl_submissions.explain_no_generation(path) if is_bfl_only else status.phrase
        # BFL's error bodies locate only fields of a body.
        located = wrong if kind == PROBLEM_TYPES[errors.Invalid] else ()
        error = compat.error_response(compat.validation_errors(located) or detail, detail)
        return _response(error, status, JSON)
    uri, title = f"{PAGE}#{kind.code}", status.phrase
    body = {"type": uri, "title": title, "status": kind.status, "code": kind.code, "detail": detail}
    return _response({**body, **members, **({"errors": wrong} if wrong else {})}, status, PROBLEM)


def _response(body: Mapping[str, Any], status: HTTPStatus, mimetype: str) -> Response:
    return Response(json.dumps(body), status, HEADERS.get(status), mimetype)
