"""The shapes of bodies as JSON Schema, each named once."""

import json
from collections.abc import Iterable
from typing import Any, Literal, TypeVar

from pydantic import BaseModel, TypeAdapter
from pydantic.fields import FieldInfo
from pydantic.json_schema import GenerateJsonSchema

Mode = Literal["validation", "serialization"]
Schema = dict[str, Any]

COMPONENTS = "#/components/schemas/"
# Pydantic names a generic by all its parts.
_NAMES = {"Portrait_Medium_": "Job"}

T = TypeVar("T")


class _Untitled(GenerateJsonSchema):
    """Without a title for each field, which would repeat its name."""

    def field_title_should_be_set(self, schema: Any) -> bool:
        del schema
        return False


class Schemas:
    """Describes what is asked for, and keeps what has a name.

    `local` says more of what is asked in fields and parameters by these names.
    """

    def __init__(self, local: dict[str, Schema]) -> None:
        self.components: dict[str, Schema] = {}
        self._local = local

    def answered(self, kind: Any) -> Schema:
        return self._described(kind, "serialization")

    def asked(self, kind: type[BaseModel]) -> Schema:
        reference = self._described(kind, "validation")
        self._localise(self.components[_name(reference)]["properties"])
        return reference

    def parameters(self, model: type[BaseModel]) -> Iterable[tuple[str, FieldInfo, Schema]]:
        """Each field of a query with its schema; what is not given is not there, never null."""
        described = self._described(model, "validation")
        properties = self.components.pop(_name(described))["properties"]
        self._localise(properties)
        for name, schema in properties.items():
            yield name, model.model_fields[name], without_null(schema)

    def _described(self, kind: Any, mode: Mode) -> Schema:
        found, rest = TypeAdapter.json_schemas(
            [("it", mode, TypeAdapter(kind))],
            ref_template=f"{COMPONENTS}{{model}}",
            schema_generator=_Untitled,
        )
        for name, schema in _renamed(rest.get("$defs", {})).items():
            self.components[name] = {**schema, "title": name}
        return _renamed(found["it", mode])

    def _localise(self, properties: Schema) -> None:
        for name in properties.keys() & self._local.keys():
            properties[name] = _prose(properties[name]) | self._local[name]


def _name(reference: Schema) -> str:
    name: str = reference["$ref"]
    return name.removeprefix(COMPONENTS)


def _prose(schema: Schema) -> Schema:
    """What stands at a schema or at its branch that is not null."""
    branches = [schema, *schema.get("anyOf", [])]
    found = [branch["description"] for branch in branches if "description" in branch]
    return {"description": found[0]} if found else {}


def without_null(schema: Schema) -> Schema:
    """A schema of what is there, without a default of nothing."""
    kept = {name: value for name, value in schema.items() if (name, value) != ("default", None)}
    branches = [branch for branch in kept.pop("anyOf", []) if branch != {"type": "null"}]
    if len(branches) == 1:
        return {**branches[0], **kept}
    return {**kept, "anyOf": branches} if branches else kept


def _renamed(value: T) -> T:
    text = json.dumps(value)
    for wordy, name in _NAMES.items():
        text = text.replace(wordy, name)
    renamed: T = json.loads(text)
    return renamed
