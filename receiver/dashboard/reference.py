"""`GET /docs`: the API's document for people, without a script and for everybody."""

import json
from collections.abc import Iterator, Mapping
from http import HTTPStatus
from typing import Any, NamedTuple

from flask import Blueprint, render_template
from flask.typing import ResponseReturnValue
from markupsafe import Markup, escape

from receiver.dashboard.kinds import kind, prose
from receiver.reference.views import made

Node = Mapping[str, Any]

blueprint = Blueprint("reference", __name__)
blueprint.add_app_template_filter(prose)


class Field(NamedTuple):
    """A line of a table: a parameter, a header or a member of an object."""

    name: str
    kind: Markup
    text: str
    needed: bool


class Sample(NamedTuple):
    """An example of a body."""

    name: str
    text: str


class Answer(NamedTuple):
    """One status, in short."""

    status: str
    phrase: str
    text: str
    kinds: list[Markup]
    samples: list[Sample]
    headers: list[str]


class Operation(NamedTuple):
    """One method of one path."""

    id: str
    method: str
    path: str
    said: Node
    scope: str
    proofs: list[str]
    parameters: dict[str, list[Field]]
    kind: Markup
    samples: list[Sample]
    good: list[Answer]
    bad: list[Answer]


@blueprint.get("/docs")
def show() -> ResponseReturnValue:
    document = made()
    return render_template(
        "reference.html",
        document=document,
        chapters=_chapters(document),
        hooks=[
            _operation("POST", name, hook["post"]) for name, hook in document["webhooks"].items()
        ],
        schemas=_schemas(document["components"]["schemas"]),
        security=document["components"]["securitySchemes"].values(),
    )


def _chapters(document: Node) -> dict[str, list[Operation]]:
    found: dict[str, list[Operation]] = {tag["name"]: [] for tag in document["tags"]}
    for path, methods in document["paths"].items():
        for method, said in methods.items():
            found[said["tags"][0]].append(_operation(method.upper(), path, said))
    return found


def _hooks(webhooks: Node) -> Iterator[tuple[str, Node]]:
    return ((name, hook["post"]) for name, hook in webhooks.items())


def _operation(method: str, path: str, said: Node) -> Operation:
    ways = said.get("security", [])
    content = said.get("requestBody", {}).get("content", {})
    answers = [_answer(*pair) for pair in said["responses"].items()]
    return Operation(
        id=said.get("operationId", path),
        method=method,
        path=path,
        said=said,
        scope=next((scope for way in ways for scopes in way.values() for scope in scopes), ""),
        proofs=[name for way in ways for name, scopes in way.items() if not scopes],
        parameters=_parameters(said.get("parameters", [])),
        kind=_kind_of(content),
        samples=list(_samples(content)),
        good=[answer for answer in answers if answer.status[0] in "123"],
        bad=[answer for answer in answers if answer.status[0] not in "123"],
    )


def _parameters(parameters: list[Node]) -> dict[str, list[Field]]:
    """By where they stand, in this order."""
    names = {"path": "Path", "query": "Query", "header": "Headers"}
    found = {
        title: [_parameter(one) for one in parameters if one["in"] == where]
        for where, title in names.items()
    }
    return {title: fields for title, fields in found.items() if fields}


def _parameter(said: Node) -> Field:
    name = f"{said['name']}.…" if said.get("explode") else said["name"]
    text = said.get("description", "")
    return Field(name, kind(said["schema"]), text, said.get("required", False))


def _answer(status: str, said: Node) -> Answer:
    content = said.get("content", {})
    phrase = HTTPStatus(int(status)).phrase if status.isdigit() else ""
    kinds = [_kind_of({media: body}) or escape(media) for media, body in content.items()]
    text, headers = said["description"], list(said.get("headers", {}))
    return Answer(status, phrase, text, kinds, list(_samples(content)), headers)


def _kind_of(content: Node) -> Markup:
    for body in content.values():
        if "$ref" in body["schema"] or body["schema"].get("title"):
            return kind(body["schema"])
    return Markup()


def _samples(content: Node) -> Iterator[Sample]:
    for body in content.values():
        for name, sample in body.get("examples", {}).items():
            yield Sample(name, _text(sample["value"]))
        if "example" in body:
            yield Sample("", _text(body["example"]))


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, indent=2, ensure_ascii=False)


def _schemas(schemas: Node) -> dict[str, tuple[Node, list[Field]]]:
    return {name: (schema, list(_fields(schema))) for name, schema in schemas.items() if schema}


def _fields(schema: Node) -> Iterator[Field]:
    needed = schema.get("required", [])
    for name, said in schema.get("properties", {}).items():
        yield Field(name, kind(said), _description(said), name in needed)


def _description(said: Node) -> str:
    branches = [said, *said.get("anyOf", [])]
    return next((one["description"] for one in branches if "description" in one), "")
