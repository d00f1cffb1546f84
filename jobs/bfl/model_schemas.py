"""Schemas of BFL's models: their modes, and the fields of an input, from BFL's OpenAPI document.

No description of BFL's is read. The document comes from outside: every part has a bound.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import field
from enum import StrEnum
from functools import cache
from math import inf
from pathlib import Path
from typing import Annotated, Any

from pydantic import ConfigDict, Field, StringConstraints, TypeAdapter
from pydantic.dataclasses import dataclass

from jobs.bfl.model_names import MODEL
from jobs.domain.errors import FluxkeepError
from jobs.net import strict_json

STEPS_MAX = 100_000  # through references and unions; BFL's own document takes 1,600
UNIONS = ("anyOf", "oneOf", "allOf")
WEBHOOK = ("webhook_url", "webhook_secret")

Model = Annotated[str, StringConstraints(pattern=rf"^{MODEL}\z", max_length=200)]
Name = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_]{0,64}\z")]
ModeName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_.-]{0,64}\z")]
Scalar = bool | int | float | Annotated[str, StringConstraints(max_length=200)] | None
SOME, MANY = Field(min_length=1, max_length=100), Field(max_length=500)
STRICT = ConfigDict(strict=True)


class InvalidDocument(FluxkeepError):
    """BFL's OpenAPI document cannot be used."""


class Kind(StrEnum):
    """The kind of value that a field takes: a type of JSON or a file."""

    TEXT = "string"
    INTEGER = "integer"
    NUMBER = "number"
    FLAG = "boolean"
    CHOICE = "choice"
    IMAGE = "image"
    VIDEO = "video"
    DRAFT = "draft"
    JSON = "json"  # anything else

    @property
    def is_file(self) -> bool:
        return self in _FILES


_BOUNDS = {
    "minimum": "from",
    "exclusiveMinimum": "above",
    "maximum": "to",
    "exclusiveMaximum": "below",
    "multipleOf": "in steps of",
    "minLength": "from",
    "maxLength": "to",
}
# Only its name tells that a field holds files.
_FILES = {
    Kind.IMAGE: r"(\w+_)?(images?|(key)?frames?|masks?|person|garment)(_prompt)?(_[0-9]+)?",
    Kind.VIDEO: r"(\w+_)?videos?(_[0-9]+)?",
    Kind.DRAFT: r"draft_cache",
}


@dataclass(frozen=True, config=STRICT)
class InputField:
    """A field of an input. Files are strings, with `is_timed` pairs of seconds and string."""

    kind: Kind
    is_required: bool = False
    default: Scalar = None
    choices: Annotated[tuple[Scalar, ...], Field(max_length=100)] = ()
    bounds: Mapping[str, float] = field(default_factory=dict)  # by keyword of JSON Schema
    is_list: bool = False
    is_timed: bool = False

    @property
    def range(self) -> str:
        """Its bounds in words, such as `from 256 to 1440 in steps of 32`."""
        words = [f"{_BOUNDS[name]} {value:g}" for name, value in self.bounds.items()]
        return " ".join([*words, *(["characters"] if "maxLength" in self.bounds else [])])


@dataclass(frozen=True, config=STRICT)
class Mode:
    """One way to use a model; its fields are without those of webhooks."""

    fields: Annotated[Mapping[Name, InputField], SOME]
    is_strict: bool  # whether BFL refuses further fields
    takes_webhook: bool


@dataclass(frozen=True, config=STRICT)
class Endpoint:
    """A model: its modes by the value of the field `selector`; else one mode without a name."""

    modes: Annotated[Mapping[ModeName, Mode], SOME]
    selector: Name = ""

    def mode_of(self, given: Mapping[str, Any]) -> str:
        """The mode that an input names, else the first of those that know most of its fields."""
        named = given.get(self.selector)
        if isinstance(named, str) and named in self.modes:
            return named
        return max(self.modes, key=lambda name: len(given.keys() & self.modes[name].fields.keys()))


Endpoints = Annotated[dict[Model, Endpoint], MANY]


@cache
def shipped_document() -> dict[str, Any]:
    """The document of this release; `x-elsewhere` has what BFL serves and lists elsewhere."""
    return strict_json.load_object(Path(__file__).with_name("openapi.json").read_bytes())


@cache
def shipped() -> Endpoints:
    return read_endpoints(shipped_document())


def read_endpoints(document: Mapping[str, Any]) -> Endpoints:
    """The models of a document, and those that BFL lists elsewhere. Raises InvalidDocument."""
    elsewhere = shipped_document()["x-elsewhere"]
    try:
        schemas = elsewhere["components"]["schemas"] | document["components"]["schemas"]
        paths = elsewhere["paths"] | document["paths"]
        return TypeAdapter(Endpoints).validate_python(dict(_Reader(schemas).endpoints(paths)))
    except (AttributeError, KeyError, TypeError, ValueError) as error:  # it may hold anything
        raise InvalidDocument(f"it is not as expected: {type(error).__name__}") from None


class _Reader:
    """Reads schemas in a bounded number of steps, whatever refers to whatever."""

    def __init__(self, schemas: Mapping[str, Any]) -> None:
        self._schemas = schemas
        self._steps = 0

    def endpoints(self, paths: Mapping[str, Any]) -> Iterator[tuple[str, Endpoint]]:
        """The models whose answers name a task to poll, and that BFL has not withdrawn."""
        for path, item in paths.items():
            post = item.get("post", {})
            if post.get("deprecated") and "x-status" in post:  # withdrawn
                continue
            answers = self._alternatives(_json(post.get("responses", {}).get("200", {})))
            if not any("polling_url" in one.get("properties", ()) for one in answers):
                continue
            body = _json(post["requestBody"])
            union = self._schemas[_target(body)] if "$ref" in body else body
            selector = union.get("discriminator", {}).get("propertyName", "")
            nodes = [*self._alternatives(body)] if selector else [next(self._alternatives(body))]
            names = [one["properties"][selector]["const"] if selector else "" for one in nodes]
            modes = (self._mode(node, selector) for node in nodes)
            endpoint = Endpoint(dict(zip(names, modes, strict=True)), selector)
            yield path.removeprefix("/v1/"), endpoint

    def _mode(self, node: Any, selector: str) -> Mode:
        properties, is_strict = node["properties"], node.get("additionalProperties") is False
        required = frozenset(node.get("required", []).copy())  # a text has no copy
        fields = {
            name: self._field(name, one, is_required=name in required)
            for name, one in properties.items()
            if name not in (*WEBHOOK, selector)
        }
        return Mode(fields, is_strict, not is_strict or WEBHOOK[0] in properties)

    def _field(self, name: str, node: Any, *, is_required: bool) -> InputField:
        found = [(one, _types(one), _values(one)) for one in self._alternatives(node)]
        free = [one for one, types, values in found if not values and types != {"null"}]
        items = [item for one in free for item in self._alternatives(one.get("items", {}))]
        bounds = {name: one[name] for one in free for name in _BOUNDS if name in one}
        default, is_valid = node.get("default"), isinstance(node.get("default"), bool | str)
        if isinstance(default, int | float) and not is_valid:
            # Outside the bounds it is none: BFL has a 0 where it decides itself.
            is_valid = bounds.get("minimum", -inf) <= default <= bounds.get("maximum", inf)
        return InputField(
            kind=_kind(name, free, has_values=any(values for _, _, values in found)),
            is_required=is_required,
            default=default if is_valid else None,
            choices=tuple(value for _, _, values in found for value in values),
            bounds=bounds,
            is_list=any(_types(item) == {"string"} for item in items),
            is_timed=any(len(item.get("prefixItems", ())) == 2 for item in items),
        )

    def _alternatives(self, node: Any) -> Iterator[Any]:
        """The schemas of a node, through references and unions. Raises InvalidDocument."""
        waiting = [node]
        while waiting:
            one = waiting.pop()
            parts = [part for union in UNIONS for part in one.get(union, ())]
            parts += [self._schemas[_target(one)]] if "$ref" in one else []
            waiting += reversed(parts)
            self._steps += 1 + len(parts)
            if self._steps > STEPS_MAX:
                raise InvalidDocument("its references lead in circles, or it is too large")
            if not parts:
                yield one


def _json(content: Any) -> Any:
    return content.get("content", {}).get("application/json", {}).get("schema", {})


def _target(node: Any) -> Any:
    return node["$ref"].rpartition("/")[2]


def _types(node: Any) -> set[str]:
    types = node.get("type", [])
    return {types} if isinstance(types, str) else {*types}


def _values(node: Any) -> list[Any]:
    return [node["const"]] if "const" in node else node.get("enum", []).copy()


def _kind(name: str, nodes: list[Any], *, has_values: bool) -> Kind:
    types = {one for node in nodes for one in _types(node)} - {"null"}
    if types & {"string", "array"}:
        for kind, names in _FILES.items():
            if re.fullmatch(names, name, re.ASCII):
                return kind
    if len(types) == 1 and types <= {*Kind}:
        return Kind(types.pop())
    return Kind.CHOICE if has_values and not types else Kind.JSON


def differences(before: Mapping[str, Any], after: Mapping[str, Any], *where: str) -> Iterator[str]:
    """Models, modes or fields that differ; what is new with the same facts was renamed."""
    new = [name for name in after if name not in before]
    for name, part in before.items():
        path = " ".join(filter(None, (*where, name)))
        if name in after:
            both = (part, after[name])
            old, now = (getattr(one, "modes", getattr(one, "fields", {})) for one in both)
            inner = [*differences(old, now, path)]
            yield from inner or ([f"{path} has changed"] if part != after[name] else [])
        elif twin := next((one for one in new if after[one] == part), None):
            new.remove(twin)
            yield f"{path} is now {twin}"
        else:
            yield f"{path} is gone"
    yield from (" ".join((*where, name, "is new")) for name in new)
