"""Error responses of an operation, from the table that maps errors to statuses."""

from collections import defaultdict
from collections.abc import Collection
from http import HTTPStatus

from jobs import errors
from jobs.bfl import compat
from jobs.errors import FluxkeepError
from receiver import problem_details
from receiver.openapi.schemas import Schema, Schemas
from receiver.schemas.endpoint import JSON, PROBLEM, EndpointSpec
from receiver.schemas.responses import Problem

Errors = Collection[type[FluxkeepError]]


def raised_by(spec: EndpointSpec, *, has_input: bool) -> Errors:
    """Errors of a view, and those that a key, a body, a parameter or Redis can raise."""
    found = list(spec.errors)
    if spec.scope:
        found += [errors.Unauthorized, errors.Forbidden, errors.RateLimited]
    if spec.body:
        found += [errors.BadRequest, errors.RequestTimeout, errors.BodyTooLarge]
    if isinstance(spec.body, type):
        found += [errors.Invalid]
    if has_input:
        found += [errors.InvalidField]
    if spec.uses_redis:
        found += [errors.StoreUnavailable]
    return dict.fromkeys(found)


def of_errors(raised: Errors, schemas: Schemas, *, as_bfl: bool) -> dict[str, Schema]:
    """Responses by status. The docstring of an error is its description."""
    schema = schemas.of(compat.BflError if as_bfl else Problem)
    by_status = defaultdict(list)
    for error in raised:
        status = problem_details.STATUS[error]
        is_wrong_key = status is HTTPStatus.UNAUTHORIZED
        by_status[HTTPStatus.FORBIDDEN if as_bfl and is_wrong_key else status].append(error)
    return {
        str(int(status)): {
            "description": " ".join(dict.fromkeys(error.__doc__ or "" for error in group)),
            "content": {JSON if as_bfl else PROBLEM: {"schema": schema}},
        }
        for status, group in by_status.items()
    }
