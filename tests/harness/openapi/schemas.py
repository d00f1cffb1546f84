"""JSON Schemas of bodies and queries, from their types by pydantic."""

from collections.abc import Iterator
from typing import Any, Literal

from pydantic import BaseModel, TypeAdapter
from pydantic.fields import FieldInfo
from pydantic.json_schema import GenerateJsonSchema

Mode = Literal["validation", "serialization"]
Schema = dict[str, Any]

COMPONENTS = "#/components/schemas/"


class _Generator(GenerateJsonSchema):
    """Without titles of fields, which repeat the names, and with a short name for the job."""

    def field_title_should_be_set(self, schema: Any) -> bool:
        del schema
        return False

    def normalize_name(self, name: str) -> str:
        """Name the view of a job for its readers."""
        normalized = super().normalize_name(name)
        return "Job" if normalized == "JobView" else normalized


def standalone(kind: Any, mode: Mode) -> Schema:
    """The schema of a type by itself, with what it refers to under `$defs`."""
    return TypeAdapter(kind).json_schema(mode=mode, schema_generator=_Generator)


class Schemas:
    """Describe types by JSON Schema, and collect those with a name as components."""

    def __init__(self) -> None:
        self.components: dict[str, Schema] = {}

    def of(self, kind: Any, mode: Mode = "serialization") -> Schema:
        """The schema of a response's type, or of a request's with the mode "validation"."""
        found, rest = TypeAdapter.json_schemas(
            [("schema", mode, TypeAdapter(kind))],
            ref_template=f"{COMPONENTS}{{model}}",
            schema_generator=_Generator,
        )
        for name, definition in rest.get("$defs", {}).items():
            self.components[name] = {**definition, "title": name}
        return found["schema", mode]


def query_parameters(model: type[BaseModel]) -> Iterator[tuple[str, FieldInfo, Schema]]:
    """Each field of a query with its schema. A field that is not given is absent, not null."""
    schema = model.model_json_schema(
        ref_template=f"{COMPONENTS}{{model}}", schema_generator=_Generator
    )
    for name, described in schema["properties"].items():
        yield name, model.model_fields[name], _without_null(described)


def _without_null(schema: Schema) -> Schema:
    present = {name: value for name, value in schema.items() if (name, value) != ("default", None)}
    branches = [branch for branch in present.pop("anyOf", []) if branch != {"type": "null"}]
    if len(branches) == 1:
        return {**branches[0], **present}
    return {**present, "anyOf": branches} if branches else present
