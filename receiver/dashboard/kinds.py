"""Schemas and their descriptions as people read them."""

import re
from collections.abc import Mapping
from typing import Any

from markupsafe import Markup, escape

from receiver.reference.schemas import COMPONENTS

_CODE = re.compile(r"`([^`]+)`")


def kind(schema: Any) -> Markup:
    """A schema in a few words; what has a name is a link to it."""
    if not isinstance(schema, Mapping):
        return Markup("any")
    if "$ref" in schema:
        name = schema["$ref"].removeprefix(COMPONENTS)
        return Markup('<a href="#schema-{0}">{0}</a>').format(name)
    if "anyOf" in schema and "type" not in schema:
        return Markup(" or ").join(dict.fromkeys(map(kind, schema["anyOf"])))
    return _plain(schema)


def _plain(schema: Mapping[str, Any]) -> Markup:
    if schema.get("title") and "properties" in schema:
        return escape(schema["title"])
    if "enum" in schema:
        return Markup(" · ").join(Markup("<code>{}</code>").format(one) for one in schema["enum"])
    if schema.get("type") == "array":
        return Markup("list of ") + kind(schema.get("items"))
    bounds = [schema[name] for name in ("minimum", "maximum") if name in schema]
    span = f", {bounds[0]:g} to {bounds[1]:g}" if len(bounds) == 2 else ""
    words = schema.get("format", schema.get("type", "any"))
    return escape(f"{words}{span}")


def prose(text: str) -> Markup:
    """Code between backticks, and paragraphs between empty lines."""
    parts = (_CODE.sub(r"<code>\1</code>", str(escape(part))) for part in text.split("\n\n"))
    return Markup("").join(Markup("<p>{}</p>").format(Markup(part)) for part in parts)  # noqa: S704
