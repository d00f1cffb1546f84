"""JSON Schemas of bodies and queries, from their types by pydantic."""

import json
from collections.abc import Iterable
from typing import Any, Literal, TypeVar

from pydantic import BaseModel, TypeAdapter
from pydantic.fields import FieldInfo
from pydantic.json_schema import GenerateJsonSchema

from receiver.schemas.bodies import URL_MAX_CHARS
from receiver.schemas.formats import anchored

Mode = Literal["validation", "serialization"]
Schema = dict[str, Any]

COMPONENTS = "#/components/schemas/"

# URLs as `jobs.bfl.hosts.parse` accepts them: no segment that a parser could read as dots.
_PORT = "(:([1-9][0-9]{0,3}|[1-5][0-9]{4}|6[0-4][0-9]{3}|65[0-4][0-9]{2}|655[0-2][0-9]|6553[0-5]))?"
_UNESCAPED = r"A-Za-z0-9_~!$&'()*+,;=:@-"
_ESCAPED = "%([013-9A-Fa-f][0-9A-Fa-f]|2[0-9A-DFa-df])"
_PATH = rf"(/(\.*([{_UNESCAPED}]|{_ESCAPED})([.{_UNESCAPED}]|{_ESCAPED})*)?)*"
_QUERY = rf"(\?[.%/?{_UNESCAPED}]*)?"
_HOST = r"([a-z0-9.-]{1,253}|\[[0-9a-f:.]{2,45}\])"


def _url(pattern: str) -> Schema:
    text = {"type": "string", "maxLength": URL_MAX_CHARS, "pattern": anchored(pattern)}
    return {"anyOf": [text, {"type": "null"}]}


_PUBLIC_URL = _url(f"https://{_HOST}{_PORT}{_PATH}{_QUERY}")
# Checks of the server beyond the types; an installation may be stricter (BFL_API_URL,
# NOTIFY_HOSTS, LINK_TTL_MAX).
FIELDS: dict[str, Schema] = {
    "polling_url": _url(
        rf"https://(api|gateway)(\.[a-z0-9-]{{1,63}})*\.bfl\.ai(:443)?/v1/get_result{_QUERY}"
    ),
    "notify_url": _PUBLIC_URL,
    "webhook_url": _PUBLIC_URL,
    "link_ttl": {"type": "integer", "minimum": 1, "maximum": 7 * 86400},
}
# Pydantic names a generic type after all its arguments.
_NAMES = {"BaseJobView_MediaView_": "Job"}

T = TypeVar("T")


class _Untitled(GenerateJsonSchema):
    """Generate no title for a field: it would repeat the name."""

    def field_title_should_be_set(self, schema: Any) -> bool:
        del schema
        return False


class Schemas:
    """Describe types by JSON Schema, and collect those with a name as components."""

    def __init__(self) -> None:
        self.components: dict[str, Schema] = {}

    def of_response(self, kind: Any) -> Schema:
        return self._describe(kind, "serialization")

    def of_request(self, kind: type[BaseModel]) -> Schema:
        reference = self._describe(kind, "validation")
        _refine(self.components[_name(reference)]["properties"])
        return reference

    def parameters(self, model: type[BaseModel]) -> Iterable[tuple[str, FieldInfo, Schema]]:
        """Each field of a query with its schema. A field that is not given is absent, not null."""
        reference, definitions = _schemas(model, "validation")
        properties = definitions[_name(reference)]["properties"]
        _refine(properties)
        for name, schema in properties.items():
            yield name, model.model_fields[name], without_null(schema)

    def _describe(self, kind: Any, mode: Mode) -> Schema:
        schema, definitions = _schemas(kind, mode)
        for name, definition in definitions.items():
            self.components[name] = {**definition, "title": name}
        return schema


def _schemas(kind: Any, mode: Mode) -> tuple[Schema, dict[str, Schema]]:
    """The schema of a type, and those of the named types that it refers to."""
    found, rest = TypeAdapter.json_schemas(
        [("schema", mode, TypeAdapter(kind))],
        ref_template=f"{COMPONENTS}{{model}}",
        schema_generator=_Untitled,
    )
    return _renamed(found["schema", mode]), _renamed(rest.get("$defs", {}))


def _refine(properties: Schema) -> None:
    """Add the checks of the server that the types of these fields do not express."""
    for name in properties.keys() & FIELDS.keys():
        properties[name] = _description(properties[name]) | FIELDS[name]


def _name(reference: Schema) -> str:
    name: str = reference["$ref"]
    return name.removeprefix(COMPONENTS)


def _description(schema: Schema) -> Schema:
    """The description of a schema, or of its branch that is not null."""
    branches = [schema, *schema.get("anyOf", [])]
    found = [branch["description"] for branch in branches if "description" in branch]
    return {"description": found[0]} if found else {}


def without_null(schema: Schema) -> Schema:
    """A schema without null: a query parameter is there or not."""
    present = {name: value for name, value in schema.items() if (name, value) != ("default", None)}
    branches = [branch for branch in present.pop("anyOf", []) if branch != {"type": "null"}]
    if len(branches) == 1:
        return {**branches[0], **present}
    return {**present, "anyOf": branches} if branches else present


def _renamed(value: T) -> T:
    text = json.dumps(value)
    for generated, name in _NAMES.items():
        text = text.replace(generated, name)
    renamed: T = json.loads(text)
    return renamed
