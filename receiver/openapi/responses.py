"""Error responses of an operation, from the table that maps errors to statuses."""

from collections.abc import Iterable
from http import HTTPStatus
from itertools import groupby

from jobs import errors
from jobs.bfl import compat
from jobs.errors import FluxkeepError
from receiver import problem_details
from receiver.openapi import parameters
from receiver.openapi.schemas import Schema, Schemas
from receiver.schemas.endpoint import JSON, Endpoint, EndpointSpec
from receiver.schemas.responses import Problem

PROBLEM = "application/problem+json"
HEADERS: dict[HTTPStatus, Iterable[str]] = {
    **problem_details.HEADERS,
    HTTPStatus.TOO_MANY_REQUESTS: ("Retry-After",),
}

Errors = Iterable[type[FluxkeepError]]


def raised_by(endpoint: Endpoint, spec: EndpointSpec, *, has_input: bool) -> Errors:
    """Errors of a spec, and those that a key, a body, a parameter or Redis can raise."""
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


def of_errors(raised: Errors, schemas: Schemas, *, as_bfl: bool) -> dict[str, Schema]:
    """Responses by status. The docstring of an error is its description."""
    found = {}
    for status, group in groupby(sorted(raised, key=_status), _status):
        kinds, answered = list(group), status
        if as_bfl:
            if status is HTTPStatus.UNAUTHORIZED:
                answered = HTTPStatus.FORBIDDEN  # as BFL answers a wrong key
            content = {JSON: {"schema": schemas.of_response(compat.BflError)}}
        else:
            examples = {kind.__name__: {"value": _problem(status, kind)} for kind in kinds}
            content = {PROBLEM: {"schema": schemas.of_response(Problem), "examples": examples}}
        found[str(int(answered))] = _response(answered, kinds, content)
    return found


def _status(error: type[FluxkeepError]) -> HTTPStatus:
    return problem_details.STATUS[error]


def _response(status: HTTPStatus, raised: Errors, content: Schema) -> Schema:
    description = " ".join(dict.fromkeys(error.__doc__ or "" for error in raised))
    response: Schema = {"description": description, "content": content}
    if names := HEADERS.get(status):
        response["headers"] = {name: parameters.RESPONSE_HEADERS[name] for name in names}
    return response


def _problem(status: HTTPStatus, error: type[FluxkeepError]) -> Problem:
    document = problem_details.document(status, error.__doc__ or "")
    if error is errors.Invalid:
        document["errors"] = [{"field": "metadata", "message": "Input should be an object"}]
    if error is errors.InvalidField:
        document["errors"] = [{"field": "limit", "message": "a whole number from 1 to 200"}]
    return document
