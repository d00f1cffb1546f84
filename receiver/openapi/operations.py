"""Operations: one route with its contract as an operation of the document."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from jobs import shown
from receiver.answers import Forgotten, Problem, Reset
from receiver.contract import JSON, STREAM, Answer, Body, Said
from receiver.feed.sse import NAMES
from receiver.openapi import parameters, responses
from receiver.openapi.schemas import Schema, Schemas
from receiver.problems import BFL_PATHS
from receiver.questions import FILTER_NAME_MAX_CHARS, FILTER_VALUE_MAX_CHARS, METADATA, Query

_PART = re.compile(r"<(?:[a-z]+:)?([a-z_]+)>")


def path(rule: str) -> str:
    """`/media/<token>` as `/media/{token}`."""
    return _PART.sub(r"{\1}", rule)


def build(rule: str, said: Said, schemas: Schemas) -> Schema:
    """The operation of a route: parameters, body, responses."""
    contract = said.contract
    assert contract is not None
    asked = list(_parameters(rule, said, schemas))
    asks = any(parameter["in"] != "path" for parameter in asked)
    told: Schema = {
        "operationId": contract.name,
        "summary": contract.summary,
        "description": said.prose,
        "tags": [contract.tag],
        "security": _security(said),
        "responses": _answers(rule, said, schemas, asks=asks),
    }
    if asked:
        told["parameters"] = asked
    if contract.body:
        told["requestBody"] = _body(contract.body, schemas)
    return told


def _parameters(rule: str, said: Said, schemas: Schemas) -> Iterator[Schema]:
    for name in _PART.findall(rule):
        yield {"name": name, "in": "path", "required": True, **parameters.PATH[name]}
    contract = said.contract
    if contract and contract.query:
        yield from _queries(contract.query, schemas)
    for name in contract.headers if contract else ():
        yield {"name": name, "in": "header", **parameters.ASKED[name]}


def _queries(model: type[Query], schemas: Schemas) -> Iterator[Schema]:
    for name, field, schema in schemas.parameters(model):
        told: Schema = {"name": name, "in": "query", "schema": schema}
        if description := schema.pop("description", ""):
            told["description"] = description
        if field.is_required():
            told["required"] = True
        yield _by_name(told) if name == METADATA else told


def _by_name(told: Schema) -> Schema:
    """`metadata.user=42`: each name of an object is a parameter of its own."""
    most = told["schema"].get("maxProperties")
    longest = len(f"{METADATA}.") + FILTER_NAME_MAX_CHARS
    names = {"pattern": rf"^{METADATA}\.[\s\S]+$", "maxLength": longest}
    values = {"type": "string", "maxLength": FILTER_VALUE_MAX_CHARS}
    schema = {"type": "object", "propertyNames": names, "additionalProperties": values}
    example = {f"{METADATA}.user": "42"}
    return {
        **told,
        "style": "form",
        "explode": True,
        "schema": {**schema, "maxProperties": most},
        "example": example,
    }


def _security(said: Said) -> list[dict[str, list[str]]]:
    """Alternatives, each enough by itself; a key comes with its scope."""
    assert said.contract is not None
    if said.scope:
        return [{name: [said.scope]} for name in parameters.KEYS]
    return [{name: []} for name in said.contract.security]


def _body(body: Body, schemas: Schemas) -> Schema:
    schema = schemas.asked(body.kind) if isinstance(body.kind, type) else dict(body.kind)
    examples = {name: {"value": value} for name, value in body.samples.items()}
    return {
        "required": body.required,
        "content": {JSON: {"schema": schema, "examples": examples}},
    }


def _answers(rule: str, said: Said, schemas: Schemas, *, asks: bool) -> dict[str, Schema]:
    assert said.contract is not None
    raised = responses.raised_by(said, asks=asks)
    long = {"414": parameters.TOO_LONG} if said.contract.query else {}
    refused = responses.answers(raised, schemas, as_bfl=rule.startswith(BFL_PATHS))
    own = said.contract.answers.items()
    told = refused | long | {str(status): _answer(answer, schemas) for status, answer in own}
    if said.scope:
        for status in told.keys() - parameters.BEFORE_THE_KEY:
            told[status]["headers"] = told[status].get("headers", {}) | parameters.QUOTA
    return dict(sorted(told.items()))


def _answer(answer: Answer, schemas: Schemas) -> Schema:
    told: Schema = {"description": answer.what}
    if content := dict(_content(answer, schemas)):
        told["content"] = content
    if answer.headers:
        told["headers"] = {name: parameters.ANSWERED[name] for name in answer.headers}
    return told


def _content(answer: Answer, schemas: Schemas) -> Iterator[tuple[str, Mapping[str, Any]]]:
    sample = {"example": answer.sample()} if answer.sample else {}
    if answer.kind is not None:
        kind = responses.PROBLEM if answer.kind is Problem else JSON
        yield kind, {"schema": schemas.answered(answer.kind), **sample}
    for media in answer.media:
        yield (
            media,
            {"schema": _stream(schemas) if media == STREAM else {"type": "string"}, **sample},
        )


def _stream(schemas: Schemas) -> Schema:
    """Schema of one event: validators read a stream event by event."""
    kinds = [schemas.answered(kind) for kind in (shown.Job, Forgotten, Reset)]
    data = {"contentMediaType": JSON, "contentSchema": {"anyOf": kinds}}
    return {
        "type": "object",
        "properties": {
            "event": {"enum": list(NAMES), "description": "`job` unless it says otherwise"},
            "id": {"type": "string", "description": "for `Last-Event-ID`"},
            "data": {"type": "string", **data},
        },
    }
