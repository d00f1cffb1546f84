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
    error: HTTPStatus(problem_type.status)
    for error, problem_type in PROBLEM_TYPES.items()
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
    wrong_fields = getattr(error, "errors", [])
    members: dict[str, Any] = {}
    if isinstance(error, errors.OverBudget):
        members["budget"] = error.budget
        members["spent"] = error.spent
        members["resets_at"] = rfc3339(error.resets_at)
    if isinstance(error, errors.CountRequired):
        members["count"] = error.count
        members["until"] = rfc3339(error.until)
    problem_type = PROBLEM_TYPES[type(error)]
    response = problem_response(problem_type, detail_of(error), wrong_fields, members)
    if isinstance(error, errors.RateLimited | errors.OverBudget):
        response.headers["Retry-After"] = str(math.ceil(error.retry_after))
    return response


def detail_of(error: FluxkeepError) -> str:
    """Sentences for people: which field is wrong, and why."""
    detail = str(error)
    default_message = errors.message_of(type(error))
    is_outage = isinstance(error, errors.StoreUnavailable | errors.StorageError)
    if is_outage and detail != default_message:
        detail = f"{default_message} {as_sentence(detail)}"
    if getattr(error, "errors", []):  # its text is made of sentences already
        return detail
    return as_sentence(detail)


def _http_error(error: HTTPException) -> Response:
    """Errors that werkzeug raises, such as 404 and 405."""
    problem_type = PROBLEM_TYPES.get(type(error), PROBLEM_TYPES[errors.BadRequest])
    status = HTTPStatus(error.code or problem_type.status)
    detail = problem_type.text or error.description or ""
    response = problem_response(problem_type._replace(status=status), detail)
    for name, value in error.get_headers():  # Allow, Content-Range
        if name.lower() not in ("content-type", "content-length"):
            response.headers[name] = value
    return response


def _unexpected_error(error: Exception) -> Response:
    """500 for a defect. Only its type and line are logged: its text could hold a secret."""
    trace = error.__traceback__
    while trace and trace.tb_next:
        trace = trace.tb_next
    location = "?"
    if trace:
        location = f"{trace.tb_frame.f_code.co_qualname}:{trace.tb_lineno}"
    log.error("unexpected %s in %s", type(error).__name__, location)
    return problem_response(UNEXPECTED, UNEXPECTED.text)


def problem_response(
    problem_type: ProblemType,
    detail: str,
    wrong_fields: Sequence[Mapping[str, str]] = (),
    members: Mapping[str, Any] = MappingProxyType({}),
) -> Response:
    """A problem document, with further members; under `/v1` an error of BFL's API."""
    field_errors = []
    for wrong_field in wrong_fields:
        field_error = dict(wrong_field)
        field_error["message"] = as_sentence(wrong_field["message"])
        field_errors.append(field_error)
    if request.path.startswith(BFL_PATHS):
        return _bfl_error(problem_type, detail, field_errors)
    status = HTTPStatus(problem_type.status)
    body: dict[str, Any] = {
        "type": f"{PAGE}#{problem_type.code}",
        "title": status.phrase,
        "status": problem_type.status,
        "code": problem_type.code,
        "detail": detail,
    }
    body.update(members)
    if field_errors:
        body["errors"] = field_errors
    return _response(body, status, PROBLEM)


def _bfl_error(
    problem_type: ProblemType, detail: str, field_errors: Sequence[Mapping[str, str]]
) -> Response:
    """An error response in the form of BFL's API."""
    status = HTTPStatus(problem_type.status)
    if status is HTTPStatus.UNAUTHORIZED:  # BFL has 403 for a wrong key
        status = HTTPStatus.FORBIDDEN
        detail = compat.NOT_AUTHENTICATED
    if status is HTTPStatus.NOT_FOUND:
        path = request.path.removeprefix(BFL_PATHS)
        if path.partition("/")[0] in bfl_submissions.BFL_ONLY_PATHS:
            detail = bfl_submissions.explain_no_generation(path)
        else:
            detail = status.phrase
    # BFL's error bodies locate only fields of a body.
    located_errors: Sequence[Mapping[str, str]] = ()
    if problem_type == PROBLEM_TYPES[errors.Invalid]:
        located_errors = field_errors
    error = compat.error_response(compat.validation_errors(located_errors) or detail, detail)
    return _response(error, status, JSON)


def _response(body: Mapping[str, Any], status: HTTPStatus, mimetype: str) -> Response:
    return Response(json.dumps(body), status, HEADERS.get(status), mimetype)
