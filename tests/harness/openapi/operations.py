"""Operation object of a route: parameters, request body, responses."""

import re
from collections import defaultdict
from collections.abc import Callable, Iterator
from http import HTTPStatus
from typing import Any

from jobs.bfl import compat
from jobs.domain import errors
from jobs.domain.errors import FluxkeepError
from receiver.feed.sse import NAMES
from receiver.problem_details import BFL_PATHS
from receiver.problem_types import PROBLEM_TYPES
from receiver.schemas.endpoint_spec import JSON, PROBLEM, STREAM, EndpointSpec, ResponseSpec
from receiver.schemas.query import METADATA
from receiver.schemas.responses import CountProblem, DeletedJob, JobEvent, Problem, Reset
from tests.harness.openapi import components, examples
from tests.harness.openapi.schemas import Schema, Schemas, query_parameters

Responses = dict[str, Schema]  # by status

_VARIABLE = re.compile(r"<(?:[a-z]+:)?([a-z_]+)>")


def path(rule: str) -> str:
    """Path template of a rule: `/media/<token>` is `/media/{token}`."""
    return _VARIABLE.sub(r"{\1}", rule)


def build(rule: str, view: Callable[..., Any], tag: str, schemas: Schemas) -> Schema:
    spec: EndpointSpec = vars(view)["endpoint_spec"]
    found = list(_parameters(rule, spec))
    has_input = any(parameter["in"] != "path" for parameter in found)
    as_bfl = rule.startswith(BFL_PATHS)
    refusals = _refusals(spec, schemas, has_input=has_input, as_bfl=as_bfl)
    first_word, *words = view.__name__.split("_")
    summary, _, description = " ".join((view.__doc__ or "").split()).partition(". ")
    operation: Schema = {
        "operationId": first_word + "".join(map(str.capitalize, words)),
        "summary": summary.rstrip("."),
        "description": description,
        "tags": [tag],
        "security": _security(spec),
        "responses": _responses(spec, schemas, refusals),
    }
    if spec.successor:
        operation["deprecated"] = True
    if found:
        operation["parameters"] = found
    if spec.body:
        if isinstance(spec.body, type):
            name, schema = spec.body.__name__, schemas.of(spec.body, "validation")
        else:
            schema = dict(spec.body or {})
            name = schema["title"]
        content = {JSON: {"schema": schema, "example": examples.REQUESTS[name]}}
        operation["requestBody"] = {"required": spec.is_body_required, "content": content}
    return operation


def _parameters(rule: str, spec: EndpointSpec) -> Iterator[Schema]:
    for name in _VARIABLE.findall(rule):
        yield {"name": name, "in": "path", "required": True, **components.PATH[name]}
    for name in spec.headers:
        yield {"name": name, "in": "header", **components.REQUEST_HEADERS[name]}
    for name, field, schema in query_parameters(spec.query) if spec.query else ():
        parameter: Schema = {"name": name, "in": "query", "schema": schema}
        if description := schema.pop("description", ""):
            parameter["description"] = description
        if field.is_required():
            parameter["required"] = True
        if name == METADATA:  # each name of the object is a parameter of its own
            parameter |= {"style": "form", "explode": True, "example": {f"{METADATA}.user": "42"}}
        yield parameter


def _security(spec: EndpointSpec) -> list[dict[str, list[str]]]:
    """Alternatives, each sufficient by itself; a key comes with its scope."""
    if spec.scope:
        return [{name: [spec.scope]} for name in components.KEYS]
    return [{name: []} for name in spec.security]


def _responses(spec: EndpointSpec, schemas: Schemas, refusals: Responses) -> Responses:
    described = {
        str(status): _response(status, ResponseSpec.from_description(one), schemas)
        for status, one in spec.responses.items()
    }
    too_long = {"414": components.URI_TOO_LONG} if spec.query else {}
    return dict(sorted((refusals | too_long | described).items()))


def _response(status: int | str, spec: ResponseSpec, schemas: Schemas) -> Schema:
    """Description, and the schemas and examples of its bodies by media type."""
    content: dict[str, Schema] = {}
    if spec.body_type is not None:
        is_problem = spec.body_type in (Problem, CountProblem)
        described = content[PROBLEM if is_problem else JSON] = {
            "schema": schemas.of(spec.body_type)
        }
        if example := examples.RESPONSES.get((status, spec.body_type)):
            described["example"] = example
    for media_type in spec.content_types:
        content[media_type] = {"schema": {"type": "string"}}
    if STREAM in content:
        content[STREAM] = {"schema": _event(schemas), "example": examples.STREAM}
    return {"description": spec.description, **({"content": content} if content else {})}


def _event(schemas: Schemas) -> Schema:
    """Schema of one event: validators read a stream event by event."""
    kinds = [schemas.of(kind) for kind in (JobEvent, DeletedJob, Reset)]
    data = {"contentMediaType": JSON, "contentSchema": {"anyOf": kinds}}
    return {
        "type": "object",
        "properties": {
            "event": {"enum": list(NAMES), "description": "`job` unless another is given"},
            "id": {"type": "string", "description": "for `Last-Event-ID`"},
            "data": {"type": "string", **data},
        },
    }


def _refusals(spec: EndpointSpec, schemas: Schemas, *, has_input: bool, as_bfl: bool) -> Responses:
    """Error responses by status. The docstring of an error is its description."""
    content = {JSON: {"schema": schemas.of(compat.BflError)}}
    if not as_bfl:
        content = {PROBLEM: {"schema": schemas.of(Problem)}}
    descriptions = defaultdict[int, list[str]](list)
    for error in dict.fromkeys(_raised_by(spec, has_input=has_input)):
        status, code, _ = PROBLEM_TYPES[error]
        is_wrong_key = status == HTTPStatus.UNAUTHORIZED
        text = errors.message_of(error) if as_bfl else f"`{code}`: {errors.message_of(error)}"
        descriptions[HTTPStatus.FORBIDDEN if as_bfl and is_wrong_key else status].append(text)
    return {
        str(int(status)): {"description": " ".join(dict.fromkeys(texts)), "content": content}
        for status, texts in descriptions.items()
    }


def _raised_by(spec: EndpointSpec, *, has_input: bool) -> Iterator[type[FluxkeepError]]:
    """Errors of a view, and those that its key, headers, body, parameters or Redis can raise."""
    yield from spec.errors
    if "Idempotency-Key" in spec.headers:
        yield errors.IdempotencyKeyReused
    if spec.scope:
        yield from (errors.Unauthorized, errors.WrongKey, errors.Forbidden, errors.RateLimited)
    if spec.body:
        yield from (errors.BadRequest, errors.InvalidJson)
        yield from (errors.RequestTimeout, errors.BodyTooLarge)
        if spec.scope:  # a callback is decoded
            yield errors.CompressedBody
    if isinstance(spec.body, type):
        yield errors.Invalid
    if has_input:
        yield errors.InvalidField
    if spec.uses_redis:
        yield errors.StoreUnavailable
