"""The smallest input of each model and mode: what BFL's document requires, and nothing else."""

import base64
from collections.abc import Mapping
from typing import Any

from tests.sandbox.document import Document
from tests.sandbox.formats import MP4, gradient

DOCUMENT = Document.shipped()
EVERY_MODE = [(model, mode) for model in DOCUMENT.models for mode in DOCUMENT.modes(model)]
IDS = ["-".join(filter(None, one)).replace("/", "-") for one in EVERY_MODE]
IMAGE = gradient(3)
BUNDLE = b"a draft bundle"


def file_of(name: str) -> bytes:
    """Kinds of file that a field takes, empty if none."""
    if "video" in name:
        return MP4
    if name == "draft_cache":
        return BUNDLE
    is_image = name.startswith(("image", "input_image", "keyframes", "mask", "person", "garment"))
    return IMAGE if is_image else b""


def smallest_input(model: str, mode: str | None = None) -> dict[str, Any]:
    """The first mode's if none is named."""
    modes = DOCUMENT.modes(model)
    schema = modes[next(iter(modes)) if mode is None else mode]
    return {name: _value(name, schema["properties"][name]) for name in schema.get("required", ())}


def _value(name: str, schema: Mapping[str, Any]) -> Any:
    if "const" in schema:
        return schema["const"]
    if body := file_of(name):
        return base64.b64encode(body).decode()
    return int(schema["minimum"]) if schema.get("type") == "integer" else f"some {name}"
