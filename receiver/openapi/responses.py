"""Error responses of an operation, from the table that maps errors to statuses."""

from collections.abc import Iterable, Mapping
from http import HTTPStatus
from itertools import groupby
from typing import Any

from jobs import errors
from jobs.bfl import compat
from jobs.errors import FluxkeepError
from receiver import problem_details
from receiver.openapi import parameters
from receiver.openapi.schemas import Schema, Schemas
from receiver.schemas.endpoint import JSON, Endpoint
from receiver.schemas.responses import Problem

PROBLEM = "application/problem+json"
HEADERS: dict[HTTPStatus, Iterable[str]] = {
    **problem_details.HEADERS,
    HTTPStatus.TOO_MANY_REQUESTS: ("Retry-After",),
}

Errors = Iterable[type[FluxkeepError]]


def raised_by(endpoint: Endpoint, *, has_input: bool) -> list[type[FluxkeepError]]:
    """The errors of an endpoint, and those that a key, a body, a parameter or Redis can add."""
    spec = endpoint.spec
    assert spec is not None
    found = list(spec.errors)
    if endpoint.scope:
        found += [errors.Unauthorized, errors.Forbidden, errors.RateLimited]
    if spec.body:
        found += [errors.BadRequest, errors.RequestTimeout, errors.BodyTooLarge]
    if spec.body and isinstance(spec.body.body_type, type):
        found += [errors.Invalid]
    if has_input:
        found += [errors.InvalidField]
    if spec.uses_redis:
        found += [errors.StoreUnavailable]
    return list(dict.fromkeys(found))


def answers(raised: Errors, schemas: Schemas, *, as_bfl: bool) -> dict[str, Schema]:
    """Responses by status; each error is an example, its docstring the description."""
    build = _as_bfl if as_bfl else _as_problem
    by_status = sorted(raised, key=_status)
    return dict(
        build(status, list(group), schemas) for status, group in groupby(by_status, _status)
    )


def _status(error: type[FluxkeepError]) -> HTTPStatus:
    return problem_details.STATUS[error]


def _as_problem(status: HTTPStatus, raised: Errors, schemas: Schemas) -> tuple[str, Schema]:
    examples = {error.__name__: {"value": _document(status, error)} for error in raised}
    content = {PROBLEM: {"schema": schemas.of_response(Problem), "examples": examples}}
    return str(int(status)), _answer(status, raised, content)


def _as_bfl(status: HTTPStatus, raised: Errors, schemas: Schemas) -> tuple[str, Schema]:
    """To a client of BFL's own API a wrong key is a 403."""
    shown = HTTPStatus.FORBIDDEN if status is HTTPStatus.UNAUTHORIZED else status
    content = {JSON: {"schema": schemas.of_response(compat.BflError)}}
    return str(int(shown)), _answer(shown, raised, content)


def _answer(status: HTTPStatus, raised: Errors, content: Mapping[str, Any]) -> Schema:
    prose = " ".join(dict.fromkeys(error.__doc__ or "" for error in raised))
    answer: Schema = {"description": prose, "content": content}
    if names := HEADERS.get(status):
        answer["headers"] = {name: parameters.RESPONSE_HEADERS[name] for name in names}
    return answer


def _document(status: HTTPStatus, error: type[FluxkeepError]) -> Problem:
    document = problem_details.document(status, error.__doc__ or "")
    if error is errors.Invalid:
        document["errors"] = [{"field": "metadata", "message": "Input should be an object"}]
    if error is errors.InvalidField:
        document["errors"] = [{"field": "limit", "message": "a whole number from 1 to 200"}]
    return document
