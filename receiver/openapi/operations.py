"""Operations: one route with its specification as an operation of the document."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from jobs import view_types
from receiver.feed.sse import NAMES
from receiver.openapi import parameters, responses
from receiver.openapi.schemas import Schema, Schemas
from receiver.problem_details import BFL_PATHS
from receiver.schemas.endpoint import JSON, STREAM, Endpoint, RequestBodySpec, ResponseSpec
from receiver.schemas.query import FILTER_NAME_MAX_CHARS, FILTER_VALUE_MAX_CHARS, METADATA, Query
from receiver.schemas.responses import Forgotten, Problem, Reset

_PART = re.compile(r"<(?:[a-z]+:)?([a-z_]+)>")


def path(rule: str) -> str:
    """`/media/<token>` as `/media/{token}`."""
    return _PART.sub(r"{\1}", rule)


def build(rule: str, endpoint: Endpoint, schemas: Schemas) -> Schema:
    """The operation of a route: parameters, body, responses."""
    spec = endpoint.spec
    assert spec is not None
    found = list(_parameters(rule, endpoint, schemas))
    has_input = any(parameter["in"] != "path" for parameter in found)
    operation: Schema = {
        "operationId": spec.operation_id,
        "summary": spec.summary,
        "description": endpoint.description,
        "tags": [spec.tag],
        "security": _security(endpoint),
        "responses": _responses(rule, endpoint, schemas, has_input=has_input),
    }
    if found:
        operation["parameters"] = found
    if spec.body:
        operation["requestBody"] = _body(spec.body, schemas)
    return operation


def _parameters(rule: str, endpoint: Endpoint, schemas: Schemas) -> Iterator[Schema]:
    for name in _PART.findall(rule):
        yield {"name": name, "in": "path", "required": True, **parameters.PATH[name]}
    spec = endpoint.spec
    if spec and spec.query:
        yield from _queries(spec.query, schemas)
    for name in spec.headers if spec else ():
        yield {"name": name, "in": "header", **parameters.REQUEST_HEADERS[name]}


def _queries(model: type[Query], schemas: Schemas) -> Iterator[Schema]:
    for name, field, schema in schemas.parameters(model):
        parameter: Schema = {"name": name, "in": "query", "schema": schema}
        if description := schema.pop("description", ""):
            parameter["description"] = description
        if field.is_required():
            parameter["required"] = True
        yield _by_name(parameter) if name == METADATA else parameter


def _by_name(parameter: Schema) -> Schema:
    """`metadata.user=42`: each name of an object is a parameter of its own."""
    most = parameter["schema"].get("maxProperties")
    longest = len(f"{METADATA}.") + FILTER_NAME_MAX_CHARS
    names = {"pattern": rf"^{METADATA}\.[\s\S]+$", "maxLength": longest}
    values = {"type": "string", "maxLength": FILTER_VALUE_MAX_CHARS}
    schema = {"type": "object", "propertyNames": names, "additionalProperties": values}
    example = {f"{METADATA}.user": "42"}
    return {
        **parameter,
        "style": "form",
        "explode": True,
        "schema": {**schema, "maxProperties": most},
        "example": example,
    }


def _security(endpoint: Endpoint) -> list[dict[str, list[str]]]:
    """Alternatives, each enough by itself; a key comes with its scope."""
    assert endpoint.spec is not None
    if endpoint.scope:
        return [{name: [endpoint.scope]} for name in parameters.KEYS]
    return [{name: []} for name in endpoint.spec.security]


def _body(body: RequestBodySpec, schemas: Schemas) -> Schema:
    schema = (
        schemas.of_request(body.body_type)
        if isinstance(body.body_type, type)
        else dict(body.body_type)
    )
    examples = {name: {"value": value} for name, value in body.examples.items()}
    return {
        "required": body.required,
        "content": {JSON: {"schema": schema, "examples": examples}},
    }


def _responses(
    rule: str, endpoint: Endpoint, schemas: Schemas, *, has_input: bool
) -> dict[str, Schema]:
    assert endpoint.spec is not None
    raised = responses.raised_by(endpoint, has_input=has_input)
    long = {"414": parameters.TOO_LONG} if endpoint.spec.query else {}
    refused = responses.answers(raised, schemas, as_bfl=rule.startswith(BFL_PATHS))
    own = endpoint.spec.responses.items()
    found = refused | long | {str(status): _response(answer, schemas) for status, answer in own}
    if endpoint.scope:
        for status in found.keys() - parameters.BEFORE_THE_KEY:
            found[status]["headers"] = (
                found[status].get("headers", {}) | parameters.RATE_LIMIT_HEADERS
            )
    return dict(sorted(found.items()))


def _response(answer: ResponseSpec, schemas: Schemas) -> Schema:
    response: Schema = {"description": answer.description}
    if content := dict(_content(answer, schemas)):
        response["content"] = content
    if answer.headers:
        response["headers"] = {name: parameters.RESPONSE_HEADERS[name] for name in answer.headers}
    return response


def _content(answer: ResponseSpec, schemas: Schemas) -> Iterator[tuple[str, Mapping[str, Any]]]:
    sample = {"example": answer.example()} if answer.example else {}
    if answer.body_type is not None:
        kind = responses.PROBLEM if answer.body_type is Problem else JSON
        yield kind, {"schema": schemas.of_response(answer.body_type), **sample}
    for media in answer.content_types:
        yield (
            media,
            {"schema": _stream(schemas) if media == STREAM else {"type": "string"}, **sample},
        )


def _stream(schemas: Schemas) -> Schema:
    """Schema of one event: validators read a stream event by event."""
    kinds = [schemas.of_response(kind) for kind in (view_types.Job, Forgotten, Reset)]
    data = {"contentMediaType": JSON, "contentSchema": {"anyOf": kinds}}
    return {
        "type": "object",
        "properties": {
            "event": {"enum": list(NAMES), "description": "`job` unless it says otherwise"},
            "id": {"type": "string", "description": "for `Last-Event-ID`"},
            "data": {"type": "string", **data},
        },
    }
