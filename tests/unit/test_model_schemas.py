"""Reading BFL's OpenAPI document, and documents that are none."""

import json
from typing import Any

import pytest

from jobs.bfl import openapi_document
from jobs.bfl.model_schemas import Endpoints, Kind
from jobs.bfl.openapi_document import InvalidDocument, read_endpoints
from jobs.bfl.schema_differences import describe_differences
from jobs.net import strict_json
from tests.sandbox.document import Document

PUBLIC = Document.shipped().public()
VIDEO, PRO = "flux-3-video", "flux-2-pro"
MILLION = 1_000_000


def document() -> dict[str, Any]:
    """BFL's document, to be changed."""
    found: dict[str, Any] = json.loads(PUBLIC)
    return found


def read(changed: Any) -> Endpoints:
    body = changed if isinstance(changed, bytes) else json.dumps(changed).encode()
    return read_endpoints(strict_json.load_object(body, InvalidDocument))


def schemas(changed: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = changed["components"]["schemas"]
    return found


def test_every_model_and_mode_is_read_with_fields_of_their_own() -> None:
    found = read(document())
    assert found == openapi_document.shipped_endpoints() and found.keys() == set(
        Document.shipped().models
    )
    listed = [model for model in found if f"/v1/{model}" in document()["paths"]]
    assert sum(len(found[model].modes) for model in listed) == 28
    video = found[VIDEO]
    assert (video.selector, [*video.modes]) == ("mode", ["t2v", "i2v", "v2v", "draft_enhance"])
    keyframes = video.modes["i2v"].fields["keyframes"]
    assert (keyframes.kind, keyframes.is_list, keyframes.is_timed) == (Kind.IMAGE, True, True)
    assert video.modes["v2v"].fields["duration"].range == "from 5 to 15"
    assert video.modes["t2v"].is_strict and not video.modes["t2v"].takes_webhook
    assert video.mode_of({"mode": "v2v"}) == "v2v"
    assert video.mode_of({"draft_cache": {"job": "a"}}) == "draft_enhance"
    assert video.mode_of({"mode": ["v2v"], "prompt": "a"}) == "t2v"


@pytest.mark.parametrize(
    ("model", "field", "kind", "words", "default"),
    [
        (PRO, "width", Kind.INTEGER, "from 64", None),  # BFL's default is 0
        ("flux-dev", "width", Kind.INTEGER, "from 256 to 1440 in steps of 32", 1024),
        ("flux-2-flex", "guidance", Kind.NUMBER, "from 1.5 to 10", 5.0),
        (PRO, "user", Kind.TEXT, "from 1 to 256 characters", None),
        (PRO, "output_format", Kind.CHOICE, "", "jpeg"),
        (PRO, "disable_pup", Kind.FLAG, "", False),
        ("flux-2-flex", "input_image_blob_path", Kind.TEXT, "", None),
        ("flux-pro-1.1-ultra", "image_prompt_strength", Kind.NUMBER, "from 0 to 1", 0.1),
        ("flux-pro-1.1-ultra", "image_prompt", Kind.IMAGE, "", None),
        ("flux-tools/video-upscale-v1", "input_video", Kind.VIDEO, "", None),
        ("flux-tools/vto-v2", "garment", Kind.IMAGE, "", None),
        ("flux-2-klein-9b-finetuned", "finetune_strength", Kind.NUMBER, "", 1.0),
    ],
)
def test_each_field_is_known(model: str, field: str, kind: Kind, words: str, default: Any) -> None:
    (mode,) = openapi_document.shipped_endpoints()[model].modes.values()
    found = mode.fields[field]
    assert (found.kind, found.range, found.default) == (kind, words, default)


@pytest.mark.parametrize(
    ("name", "facts", "kind"),
    [
        ("end_image", {"type": "string"}, Kind.IMAGE),
        ("reference_video", {"anyOf": [{"type": "string"}, {"type": "null"}]}, Kind.VIDEO),
        ("image_count", {"type": "integer"}, Kind.INTEGER),
        ("images", {"type": "boolean"}, Kind.FLAG),
        ("camera", {"type": "object", "properties": {}}, Kind.JSON),
        ("styles", {"type": "array", "items": {"type": "string"}}, Kind.JSON),
        ("anything", {}, Kind.JSON),
        ("duration", {"type": ["integer", "null"], "exclusiveMinimum": 0}, Kind.INTEGER),
    ],
)
def test_a_new_field_is_read_by_name_and_type(name: str, facts: dict[str, Any], kind: Kind) -> None:
    changed = document()
    schemas(changed)["Flux2Inputs"]["properties"][name] = facts
    (mode,) = read(changed)[PRO].modes.values()
    assert mode.fields[name].kind is kind


def with_schema(**changes: Any) -> dict[str, Any]:
    changed = document()
    schemas(changed)["Flux2Inputs"] |= changes
    return changed


def with_schemas(more: dict[str, Any]) -> dict[str, Any]:
    """Further schemas, to the first of which a field refers."""
    changed = with_schema(properties={"x": {"$ref": f"#/components/schemas/{next(iter(more))}"}})
    schemas(changed).update(more)
    return changed


def with_path(path: str) -> dict[str, Any]:
    changed = document()
    changed["paths"][path] = changed["paths"]["/v1/flux-2-pro"]
    return changed


def reference(name: str) -> dict[str, str]:
    return {"$ref": f"#/components/schemas/{name}"}


def test_nothing_is_read_of_a_withdrawn_model() -> None:
    changed, answer = document(), {"content": {"application/json": {"schema": reference("Gone")}}}
    post = {"deprecated": True, "x-status": "withdrawn", "responses": {"200": answer}}
    changed["paths"]["/v1/gone"] = {"post": post}
    assert read(changed) == openapi_document.shipped_endpoints()


SCRIPT = "<script>alert(1)</script>"
DOUBLING = {f"B{n}": {"anyOf": [reference(f"B{n + 1}")] * 2} for n in range(60)}
DEEP: Any = {"type": "string"}
for _ in range(40):
    DEEP = {"anyOf": [DEEP]}

HOSTILE: dict[str, Any] = {
    "empty": b"",
    "a web page": b"<!doctype html><title>502 Bad Gateway</title>",
    "cut off": PUBLIC[:50_000],
    "5 MB": b'{"openapi": "' + b"x" * 5_000_000,  # each test process holds it
    "a list": b"[]",
    "null": b"null",
    "NaN": PUBLIC.replace(b"50.0", b"NaN", 1),
    "a name twice": PUBLIC.replace(b'"info"', b'"openapi"', 1),
    "UTF-16": PUBLIC.decode().encode("utf-16"),
    "100,000 brackets": b"[" * 100_000,
    "no paths": {"openapi": "3.1.0"},
    "paths as a list": document() | {"paths": []},
    "a path as text": document() | {"paths": {"/v1/flux-2-pro": "POST"}},
    "properties as a list": with_schema(properties=["prompt"]),
    "a field as text": with_schema(properties={"prompt": "string"}),
    "required as text": with_schema(required="prompt"),
    "a minimum as text": with_schema(properties={"width": {"minimum": "64"}}),
    "an enumeration as a number": with_schema(properties={"mode": {"enum": 5}}),
    "an enumeration of objects": with_schema(properties={"mode": {"enum": [{}]}}),
    "a million values": with_schema(properties={"mode": {"enum": [1] * MILLION}}),
    "a thousand values": with_schema(properties={"mode": {"enum": [*range(1000)]}}),
    "a thousand fields": with_schema(properties={f"x{n}": {} for n in range(1000)}),
    "a long value": with_schema(properties={"mode": {"enum": ["x" * 10_000]}}),
    "no fields": with_schema(properties={}),
    "a script as a field": with_schema(properties={SCRIPT: {"type": "string"}}),
    "a field with a hyphen": with_schema(properties={"form-error": {"type": "string"}}),
    "a script as a model": with_path(f"/v1/{SCRIPT}"),
    "a model that leads elsewhere": with_path("/v1/../../admin"),
    "a model on another path": with_path("/v2/flux-9"),
    "a script as a schema": with_schemas({SCRIPT: {"type": "string"}}),
    "a reference to nowhere": with_schema(properties={"x": reference("Nothing")}),
    "a reference to itself": with_schemas({"Own": reference("Own")}),
    "references in a circle": with_schemas({"A": {"anyOf": [reference("B")]}, "B": reference("A")}),
    "references that double": with_schemas(DOUBLING | {"B60": {"type": "string"}}),
    "deep": with_schema(properties={"x": DEEP}),
    "a mode without a name": document()
    | {
        "components": {
            "schemas": schemas(document())
            | {"Flux3VideoT2VInputs": schemas(document())["Flux2Inputs"]}
        }
    },
}


@pytest.mark.parametrize("body", HOSTILE.values(), ids=HOSTILE)
def test_a_document_that_is_wrong_is_not_read(body: Any) -> None:
    with pytest.raises(InvalidDocument):
        read(body)


def test_what_nothing_reads_may_be_anything() -> None:
    changed = document()
    changed["paths"]["/v1/credits"]["get"]["responses"] = SCRIPT
    changed["info"] = [None]
    schemas(changed)["Flux2Inputs"] |= {"description": {"x": 1}, "example": [1], "x-new": 5}
    assert read(changed) == openapi_document.shipped_endpoints()


def test_what_changed_is_said_in_words() -> None:
    after = document()
    after["paths"]["/v1/flux-9"] = after["paths"]["/v1/flux-2-pro"]
    after["paths"]["/v1/flux-old"] = after["paths"].pop("/v1/flux-dev")
    del after["paths"]["/v1/flux-pro-1.0-expand"]
    schemas(after)["Flux3VideoI2VInputs"]["required"] = ["prompt", "mode", "frames"]
    fields = schemas(after)["Flux3VideoI2VInputs"]["properties"]
    fields["frames"] = fields.pop("keyframes")
    del fields["draft"]
    fields["camera"] = {"type": "string"}
    fields["resolution"]["enum"].append("8k")
    assert set(describe_differences(openapi_document.shipped_endpoints(), read(after))) == {
        "flux-9 is new",
        "flux-dev is now flux-old",
        "flux-pro-1.0-expand is gone",
        "flux-3-video i2v draft is gone",
        "flux-3-video i2v camera is new",
        "flux-3-video i2v keyframes is now frames",
        "flux-3-video i2v resolution has changed",
    }
    without_modes = {VIDEO: read(after)[PRO]}
    changes = [*describe_differences({VIDEO: read(after)[VIDEO]}, without_modes)]
    assert changes[-1] == f"{VIDEO} is new", "its only mode has no name"
    assert not [*describe_differences(read(after), read(after))]
