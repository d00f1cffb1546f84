"""Operation object of a route: parameters, request body, responses, callbacks."""

import re
from collections.abc import Iterator
from typing import Any

from jobs.views import JobView
from receiver.feed.sse import NAMES
from receiver.openapi import parameters, responses, webhooks
from receiver.openapi.schemas import Schema, Schemas
from receiver.problem_details import BFL_PATHS
from receiver.schemas.endpoint import (
    JSON,
    STREAM,
    Endpoint,
    EndpointSpec,
    RequestBodySpec,
    ResponseSpec,
)
from receiver.schemas.query import FILTER_NAME_MAX_CHARS, FILTER_VALUE_MAX_CHARS, METADATA, Query
from receiver.schemas.responses import Forgotten, Problem, Reset

_VARIABLE = re.compile(r"<(?:[a-z]+:)?([a-z_]+)>")


def path(rule: str) -> str:
    """Path template of a rule: `/media/<token>` is `/media/{token}`."""
    return _VARIABLE.sub(r"{\1}", rule)


def build(rule: str, endpoint: Endpoint, spec: EndpointSpec, schemas: Schemas) -> Schema:
    found = list(_parameters(rule, spec, schemas))
    has_input = any(parameter["in"] != "path" for parameter in found)
    operation: Schema = {
        "operationId": spec.operation_id,
        "summary": spec.summary,
        "description": endpoint.description,
        "tags": [spec.tag],
        "security": _security(endpoint, spec),
        "responses": _responses(rule, endpoint, spec, schemas, has_input=has_input),
    }
    if found:
        operation["parameters"] = found
    if spec.body:
        operation["requestBody"] = _body(spec.body, schemas)
    if spec.callback_field:
        operation["callbacks"] = webhooks.callbacks(spec.callback_field, schemas)
    return operation


def _parameters(rule: str, spec: EndpointSpec, schemas: Schemas) -> Iterator[Schema]:
    for name in _VARIABLE.findall(rule):
        yield {"name": name, "in": "path", "required": True, **parameters.PATH[name]}
    if spec.query:
        yield from _query(spec.query, schemas)
    for name in spec.headers:
        yield {"name": name, "in": "header", **parameters.REQUEST_HEADERS[name]}


def _query(model: type[Query], schemas: Schemas) -> Iterator[Schema]:
    for name, field, schema in schemas.parameters(model):
        parameter: Schema = {"name": name, "in": "query", "schema": schema}
        if description := schema.pop("description", ""):
            parameter["description"] = description
        if field.is_required():
            parameter["required"] = True
        yield parameter | _metadata_filter(schema) if name == METADATA else parameter


def _metadata_filter(schema: Schema) -> Schema:
    """`metadata.user=42`: each name of the object is a parameter of its own."""
    name_max_chars = len(f"{METADATA}.") + FILTER_NAME_MAX_CHARS
    return {
        "style": "form",
        "explode": True,
        "schema": {
            "type": "object",
            "propertyNames": {"pattern": rf"^{METADATA}\.[\s\S]+$", "maxLength": name_max_chars},
            "additionalProperties": {"type": "string", "maxLength": FILTER_VALUE_MAX_CHARS},
            "maxProperties": schema.get("maxProperties"),
        },
        "example": {f"{METADATA}.user": "42"},
    }


def _security(endpoint: Endpoint, spec: EndpointSpec) -> list[dict[str, list[str]]]:
    """Alternatives, each sufficient by itself; a key comes with its scope."""
    if endpoint.scope:
        return [{name: [endpoint.scope]} for name in parameters.KEYS]
    return [{name: []} for name in spec.security]


def _body(body: RequestBodySpec, schemas: Schemas) -> Schema:
    kind = body.body_type
    schema = schemas.of_request(kind) if isinstance(kind, type) else dict(kind)
    examples = {name: {"value": value} for name, value in body.examples.items()}
    content = {JSON: {"schema": schema, "examples": examples}}
    return {"required": body.required, "content": content}


def _responses(
    rule: str, endpoint: Endpoint, spec: EndpointSpec, schemas: Schemas, *, has_input: bool
) -> dict[str, Schema]:
    raised = responses.raised_by(endpoint, spec, has_input=has_input)
    found = responses.of_errors(raised, schemas, as_bfl=rule.startswith(BFL_PATHS))
    if spec.query:
        found["414"] = parameters.URI_TOO_LONG
    for status, response in spec.responses.items():
        found[str(status)] = _response(response, schemas)
    if endpoint.scope:
        for status in found.keys() - parameters.BEFORE_AUTHENTICATION:
            headers = found[status].get("headers", {})
            found[status]["headers"] = headers | parameters.RATE_LIMIT_HEADERS
    return dict(sorted(found.items()))


def _response(spec: ResponseSpec, schemas: Schemas) -> Schema:
    found: Schema = {"description": spec.description}
    if content := _content(spec, schemas):
        found["content"] = content
    if spec.headers:
        found["headers"] = {name: parameters.RESPONSE_HEADERS[name] for name in spec.headers}
    return found


def _content(spec: ResponseSpec, schemas: Schemas) -> dict[str, Any]:
    """Schemas and the example of a response by media type."""
    found: dict[str, Schema] = {}
    if spec.body_type is not None:
        media_type = responses.PROBLEM if spec.body_type is Problem else JSON
        found[media_type] = schemas.of_response(spec.body_type)
    for media_type in spec.content_types:
        found[media_type] = _event(schemas) if media_type == STREAM else {"type": "string"}
    example = {"example": spec.example()} if spec.example else {}
    return {media_type: {"schema": schema, **example} for media_type, schema in found.items()}


def _event(schemas: Schemas) -> Schema:
    """Schema of one event: validators read a stream event by event."""
    kinds = [schemas.of_response(kind) for kind in (JobView, Forgotten, Reset)]
    data = {"contentMediaType": JSON, "contentSchema": {"anyOf": kinds}}
    return {
        "type": "object",
        "properties": {
            "event": {"enum": list(NAMES), "description": "`job` unless another is given"},
            "id": {"type": "string", "description": "for `Last-Event-ID`"},
            "data": {"type": "string", **data},
        },
    }
