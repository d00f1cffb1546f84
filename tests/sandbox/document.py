"""BFL's OpenAPI document: which models there are, and what FastAPI says of a body.

The document is read here on its own, and a library judges by it: Fluxkeep's reader has no part.
"""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator, FormatChecker
from jsonschema.exceptions import ValidationError

from tests.sandbox.input_files import wrong_files

SHIPPED = Path(__file__).parents[2] / "jobs" / "bfl" / "openapi.json"
OURS = "x-"  # begins the names of what we added
FORMATS = FormatChecker(())
FORMATS.checks("uri")(
    lambda text: not isinstance(text, str) or text.startswith(("https://", "http://"))
)

Loc = list[str | int]
Complaint = dict[str, Any]

# By keyword of JSON Schema: pydantic's type of error, and its message with the keyword's value.
WORDS = {
    "minimum": ("greater_than_equal", "Input should be greater than or equal to {:g}"),
    "maximum": ("less_than_equal", "Input should be less than or equal to {:g}"),
    "exclusiveMinimum": ("greater_than", "Input should be greater than {:g}"),
    "exclusiveMaximum": ("less_than", "Input should be less than {:g}"),
    "multipleOf": ("multiple_of", "Input should be a multiple of {:g}"),
    "minLength": ("string_too_short", "String should have at least {} characters"),
    "maxLength": ("string_too_long", "String should have at most {} characters"),
    "minItems": ("too_short", "List should have at least {} items"),
    "maxItems": ("too_long", "List should have at most {} items"),
    "const": ("literal_error", "Input should be {!r}"),
    "enum": ("literal_error", "Input should be one of {}"),
    "format": ("url_parsing", "Input should be a valid URL"),
}
TYPES = {
    "string": ("string_type", "Input should be a valid string"),
    "integer": ("int_type", "Input should be a valid integer"),
    "number": ("float_type", "Input should be a valid number"),
    "boolean": ("bool_type", "Input should be a valid boolean"),
    "array": ("list_type", "Input should be a valid list"),
    "object": ("model_attributes_type", "Input should be a valid dictionary"),
}
BRANCHES = {"string": "str", "integer": "int", "number": "float", "array": "list"}


class Document:
    """A document, and checks by it."""

    def __init__(self, document: Mapping[str, Any]) -> None:
        self._document = document
        self._validators: dict[tuple[str, str], Draft202012Validator] = {}
        elsewhere = document.get("x-elsewhere", {}).get("paths", {})
        self._posts = {
            path: item["post"]
            for path, item in {**elsewhere, **document["paths"]}.items()
            if "Models" in item.get("post", {}).get("tags", ()) and "{" not in path
        }

    @classmethod
    def shipped(cls) -> "Document":
        return cls(json.loads(SHIPPED.read_bytes()))

    def public(self) -> bytes:
        """The document as BFL has it."""
        found = {name: one for name, one in self._document.items() if not name.startswith(OURS)}
        return json.dumps(found).encode()

    @property
    def models(self) -> list[str]:
        return [
            path.removeprefix("/v1/")
            for path, post in self._posts.items()
            if not post.get("deprecated")
        ]

    def default(self, model: str, name: str) -> Any:
        """The default of a field, in the first mode that has it."""
        found = [one["properties"] for one in self.modes(model).values()]
        return next((fields[name].get("default") for fields in found if name in fields), None)

    def modes(self, model: str) -> dict[str, Mapping[str, Any]]:
        """The schemas of a model by mode, whose name is empty if there is but one."""
        schema = self._resolve(self._body(model))
        if "discriminator" not in schema:
            return {"": schema}
        mapping = schema["discriminator"]["mapping"]
        return {tag: self._resolve({"$ref": reference}) for tag, reference in mapping.items()}

    def complaints(self, model: str, body: Mapping[str, Any]) -> list[Complaint]:
        """Faults of a body: `detail` of a 422."""
        mode, modes = "", self.modes(model)
        if mode not in modes:
            name = self._resolve(self._body(model))["discriminator"]["propertyName"]
            mode = body.get(name, "")
            if not isinstance(mode, str) or mode not in modes:
                return [_untagged(name, body, list(modes))]
        where = ["body", mode] if mode else ["body"]
        found = [
            {**one, "loc": [*where, *one["loc"]]}
            for error in self._validator(model, mode).iter_errors(body)
            for one in _complaints(error)
        ]
        return found or [
            {"loc": [*where, *loc], "msg": f"Value error, {why}", "type": "value_error"}
            for loc, why in wrong_files(body)
        ]

    def _body(self, model: str) -> Mapping[str, Any]:
        content: Any = self._posts[f"/v1/{model}"]["requestBody"]["content"]
        schema: Mapping[str, Any] = content["application/json"]["schema"]
        return schema

    def _resolve(self, schema: Mapping[str, Any]) -> Mapping[str, Any]:
        while "$ref" in schema:
            found: Any = self._document
            for part in schema["$ref"].removeprefix("#/").split("/"):
                found = found[part]
            schema = found
        return schema

    def _validator(self, model: str, mode: str) -> Draft202012Validator:
        if (model, mode) not in self._validators:
            # What its references lead to stands beside it.
            roots = {name: one for name, one in self._document.items() if isinstance(one, dict)}
            schema = {**roots, **self.modes(model)[mode]}
            validator = Draft202012Validator(schema, format_checker=FORMATS)
            self._validators[model, mode] = validator
        return self._validators[model, mode]


def _untagged(name: str, body: Mapping[str, Any], tags: list[str]) -> Complaint:
    if name not in body:
        message = f"Unable to extract tag using discriminator '{name}'"
        return {"loc": ["body"], "msg": message, "type": "union_tag_not_found", "input": body}
    message = (
        f"Input tag '{body[name]}' found using '{name}' does not match any of the expected tags: "
        + ", ".join(map(repr, tags))
    )
    return {"loc": ["body"], "msg": message, "type": "union_tag_invalid", "input": body}


def _complaints(error: ValidationError, at: Loc | None = None) -> Iterator[Complaint]:
    loc = [*error.absolute_path, *(at or [])]
    value: Any = error.validator_value
    instance: Any = error.instance
    match error.validator:
        case "anyOf":
            yield from _of_branches(error)
        case "required":
            # The library has an error for each name.
            name = error.message.split("'")[1]
            yield _complaint([*loc, name], "missing", "Field required", instance)
        case "additionalProperties":
            schema: Any = error.schema
            for name in instance.keys() - schema["properties"].keys():
                words = ("extra_forbidden", "Extra inputs are not permitted")
                yield _complaint([*loc, name], *words, instance[name])
        case "type":
            yield _complaint(loc, *TYPES[value if isinstance(value, str) else value[0]], instance)
        case keyword:
            kind, message = WORDS[str(keyword)]
            yield _complaint(loc, kind, message.format(value), instance)


def _of_branches(error: ValidationError) -> Iterator[Complaint]:
    """Each way in which it might have been right, named where there are several besides null."""
    branches: Any = error.validator_value
    real = [n for n, branch in enumerate(branches) if branch.get("type") != "null"]
    for one in error.context or ():
        n = one.relative_schema_path[0]
        if n in real:
            kind = str(branches[n].get("type", "value"))
            yield from _complaints(one, [BRANCHES.get(kind, kind)] if len(real) > 1 else [])


def _complaint(loc: Loc, kind: str, message: str, instance: Any) -> Complaint:
    return {"loc": loc, "msg": message, "type": kind, "input": instance}
