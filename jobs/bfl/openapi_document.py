"""Models, modes and fields as BFL's OpenAPI document defines them.

No description of BFL's is read. The document comes from outside: the steps to read it are bounded.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from math import inf
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from jobs.bfl.model_schemas import BOUNDS, Endpoint, Endpoints, InputField, Kind, Mode
from jobs.bfl.submissions import WEBHOOK_FIELDS
from jobs.domain.errors import FluxkeepError
from jobs.net import strict_json

STEPS_MAX = 100_000  # through references and unions; BFL's own document takes 1,600
UNIONS = ("anyOf", "oneOf", "allOf")
_KINDS = frozenset(Kind)
# Only its name tells that a field holds files.
_NAMES_OF_FILES = {
    Kind.IMAGE: r"(\w+_)?(images?|(key)?frames?|masks?|person|garment)(_prompt)?(_[0-9]+)?",
    Kind.VIDEO: r"(\w+_)?videos?(_[0-9]+)?",
    Kind.DRAFT: r"draft_cache",
}


class InvalidDocument(FluxkeepError):
    """BFL's OpenAPI document cannot be used."""


@cache
def shipped_document() -> dict[str, Any]:
    """The document of this release; `x-elsewhere` has what BFL serves and lists elsewhere."""
    return strict_json.load_object(Path(__file__).with_name("openapi.json").read_bytes())


@cache
def shipped_endpoints() -> Endpoints:
    return read_endpoints(shipped_document())


def read_endpoints(document: Mapping[str, Any]) -> Endpoints:
    """The models of a document, and those that BFL lists elsewhere. Raises InvalidDocument."""
    elsewhere = shipped_document()["x-elsewhere"]
    try:
        schemas = elsewhere["components"]["schemas"] | document["components"]["schemas"]
        paths = elsewhere["paths"] | document["paths"]
        endpoints = _Reader(schemas).read_paths(paths)
        return TypeAdapter(Endpoints).validate_python(endpoints)
    except (AttributeError, KeyError, TypeError, ValueError) as error:  # it may hold anything
        raise InvalidDocument(f"it is not as expected: {type(error).__name__}") from None


class _Reader:
    """Reads schemas in a bounded number of steps, whatever refers to whatever."""

    def __init__(self, schemas: Mapping[str, Any]) -> None:
        self._schemas = schemas
        self._steps = 0

    def read_paths(self, paths: Mapping[str, Any]) -> dict[str, Endpoint]:
        """The models whose answers name a task to poll, and that BFL has not withdrawn."""
        endpoints = dict[str, Endpoint]()
        for path, operations in paths.items():
            post = operations.get("post", {})
            is_withdrawn = post.get("deprecated") and "x-status" in post
            if is_withdrawn or not self._creates_task(post):
                continue
            model = path.removeprefix("/v1/")
            endpoints[model] = self._endpoint(_schema_of_json(post["requestBody"]))
        return endpoints

    def _creates_task(self, post: Any) -> bool:
        """Whether an answer to this operation may have a polling URL."""
        success = post.get("responses", {}).get("200", {})
        answers = self._alternatives(_schema_of_json(success))
        return any("polling_url" in answer.get("properties", ()) for answer in answers)

    def _endpoint(self, body: Any) -> Endpoint:
        union = body
        if "$ref" in body:
            union = self._referenced_schema(body)
        selector = union.get("discriminator", {}).get("propertyName", "")
        if not selector:
            only_schema = next(self._alternatives(body))
            return Endpoint({"": self._mode(only_schema, selector)}, selector)
        modes = dict[str, Mode]()
        for schema in self._alternatives(body):
            name = schema["properties"][selector]["const"]
            modes[name] = self._mode(schema, selector)
        return Endpoint(modes, selector)

    def _mode(self, schema: Any, selector: str) -> Mode:
        properties = schema["properties"]
        required = _require_list(schema.get("required", []))
        fields = dict[str, InputField]()
        for name, property_schema in properties.items():
            if name == selector or name in WEBHOOK_FIELDS:
                continue
            fields[name] = self._field(name, property_schema, is_required=name in required)
        is_strict = schema.get("additionalProperties") is False
        takes_webhook = not is_strict or "webhook_url" in properties
        return Mode(fields, is_strict, takes_webhook)

    def _field(self, name: str, schema: Any, *, is_required: bool) -> InputField:
        choices: list[Any] = []
        open_schemas: list[Any] = []  # those that neither list their values nor are only null
        for alternative in self._alternatives(schema):
            values = _listed_values(alternative)
            choices.extend(values)
            if not values and _types(alternative) != {"null"}:
                open_schemas.append(alternative)
        items: list[Any] = []
        for open_schema in open_schemas:
            items.extend(self._alternatives(open_schema.get("items", {})))
        bounds = _bounds(open_schemas)
        default = schema.get("default")
        if not _is_usable_default(default, bounds):
            default = None
        return InputField(
            kind=_kind(name, open_schemas, has_choices=bool(choices)),
            is_required=is_required,
            default=default,
            choices=tuple(choices),
            bounds=bounds,
            is_list=any(_types(item) == {"string"} for item in items),
            is_timed=any(len(item.get("prefixItems", ())) == 2 for item in items),
        )

    def _alternatives(self, schema: Any) -> Iterator[Any]:
        """The schemas that a value may fit, through references and unions, in their order.

        Raises InvalidDocument.
        """
        waiting = [schema]  # a stack: the schema to look at next is the last
        while waiting:
            current = waiting.pop()
            parts: list[Any] = []
            for union in UNIONS:
                parts.extend(current.get(union, ()))
            if "$ref" in current:
                parts.append(self._referenced_schema(current))
            self._steps += 1 + len(parts)
            if self._steps > STEPS_MAX:
                raise InvalidDocument("its references lead in circles, or it is too large")
            if not parts:
                yield current
            waiting.extend(reversed(parts))

    def _referenced_schema(self, schema: Any) -> Any:
        name = schema["$ref"].rpartition("/")[2]
        return self._schemas[name]


def _schema_of_json(message: Any) -> Any:
    """The schema of a request or a response in JSON; an empty one where none is defined."""
    return message.get("content", {}).get("application/json", {}).get("schema", {})


def _require_list(value: Any) -> list[Any]:
    """Raises TypeError: a text could be iterated as well."""
    if not isinstance(value, list):
        raise TypeError
    return value


def _types(schema: Any) -> set[str]:
    types = schema.get("type", [])
    if isinstance(types, str):
        return {types}
    return set(types)


def _listed_values(schema: Any) -> list[Any]:
    if "const" in schema:
        return [schema["const"]]
    return _require_list(schema.get("enum", []))


def _bounds(schemas: Iterable[Any]) -> dict[str, Any]:
    """The bounds of all schemas by keyword; the last one counts."""
    bounds = dict[str, Any]()
    for schema in schemas:
        for keyword in BOUNDS:
            if keyword in schema:
                bounds[keyword] = schema[keyword]
    return bounds


def _is_usable_default(default: Any, bounds: Mapping[str, Any]) -> bool:
    if isinstance(default, bool | str):
        return True
    if not isinstance(default, int | float):
        return False
    # A number outside of the bounds is none: BFL has a 0 where it decides itself.
    minimum = bounds.get("minimum", -inf)
    maximum = bounds.get("maximum", inf)
    return bool(minimum <= default <= maximum)


def _kind(name: str, schemas: Iterable[Any], *, has_choices: bool) -> Kind:
    types = set[str]()
    for schema in schemas:
        types |= _types(schema)
    types.discard("null")
    if "string" in types or "array" in types:
        for file_kind, names in _NAMES_OF_FILES.items():
            if re.fullmatch(names, name, re.ASCII):
                return file_kind
    if len(types) == 1 and types <= _KINDS:
        return Kind(types.pop())
    if has_choices and not types:
        return Kind.CHOICE
    return Kind.JSON
