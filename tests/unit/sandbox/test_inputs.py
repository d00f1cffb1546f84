"""The sandbox checks bodies by BFL's document, in FastAPI's shape."""

import base64
import json
from io import BytesIO
from typing import Any

import pytest
import requests
from PIL import Image

from tests.harness.patience import wait_for
from tests.harness.smallest_inputs import EVERY_MODE, IDS, IMAGE, smallest_input
from tests.sandbox import Sandbox
from tests.sandbox.document import SHIPPED
from tests.sandbox.formats import MP4
from tests.unit.sandbox.conftest import KEY

ENCODED, VIDEO = (base64.b64encode(body).decode() for body in (IMAGE, MP4))
PROMPTED = {"prompt": "a heron"}
I2V = {"mode": "i2v", "prompt": "a heron"}


def posted(sandbox: Sandbox, model: str, body: Any) -> requests.Response:
    return requests.post(f"{sandbox.url}/v1/{model}", json=body, headers=KEY, timeout=30)


def complaints(answer: requests.Response) -> list[tuple[list[str | int], str]]:
    assert answer.status_code == 422, answer.text
    return [(one["loc"], one["type"]) for one in answer.json()["detail"]]


@pytest.mark.parametrize(("model", "mode"), EVERY_MODE, ids=IDS)
def test_each_field_that_is_required_is_missed(sandbox: Sandbox, model: str, mode: str) -> None:
    body = smallest_input(model, mode)
    for name in body.keys() - {"mode"}:
        less = {one: value for one, value in body.items() if one != name}
        where = ["body", mode, name] if mode else ["body", name]
        assert complaints(posted(sandbox, model, less)) == [(where, "missing")]


@pytest.mark.parametrize(
    ("model", "body", "loc", "kind"),
    [
        ("flux-3-image", {**PROMPTED, "seed": 7}, ["seed"], "extra_forbidden"),
        ("flux-3-image", {**PROMPTED, "webhook_url": "https://a.example"}, ["webhook_url"], None),
        ("flux-3-video", {**PROMPTED, "mode": "t2v", "batch": 2}, ["t2v", "batch"], None),
        ("flux-3-video", {**I2V, "keyframes": "x", "seed": 1}, ["i2v", "seed"], None),
        ("flux-2-pro", {**PROMPTED, "width": 63}, ["width"], "greater_than_equal"),
        ("flux-2-pro", {**PROMPTED, "width": "wide"}, ["width"], "int_type"),
        ("flux-2-pro", {**PROMPTED, "safety_tolerance": 6}, ["safety_tolerance"], None),
        ("flux-dev", {"width": 1000}, ["width"], "multiple_of"),
        ("flux-2-pro", {**PROMPTED, "output_format": "gif"}, ["output_format"], "literal_error"),
        ("flux-2-pro", {**PROMPTED, "user": "x" * 257}, ["user"], "string_too_long"),
        ("flux-2-pro", {"prompt": None}, ["prompt"], "string_type"),
        ("flux-2-pro", {**PROMPTED, "webhook_url": "ftp://a"}, ["webhook_url"], "url_parsing"),
        ("flux-3-video", PROMPTED, [], "union_tag_not_found"),
        ("flux-3-video", {"mode": "text"}, [], "union_tag_invalid"),
        ("flux-3-video", {"mode": ["t2v"]}, [], "union_tag_invalid"),
        ("flux-2-pro", {**PROMPTED, "input_image": "x"}, ["input_image"], "value_error"),
        ("flux-2-pro", {**PROMPTED, "input_image_8": VIDEO}, ["input_image_8"], "value_error"),
        (
            "flux-2-pro",
            {**PROMPTED, "input_image": "http://a.example/a.png"},
            ["input_image"],
            None,
        ),
        ("flux-3-image", {**PROMPTED, "images": [ENCODED, "no"]}, ["images"], "value_error"),
        ("flux-3-video", {**I2V, "keyframes": [[0, "no"]]}, ["i2v", "keyframes"], "value_error"),
        ("flux-tools/video-upscale-v1", {"input_video": ENCODED}, ["input_video"], "value_error"),
        ("flux-3-video", {"mode": "draft_enhance", "draft_cache": "?"}, None, "value_error"),
    ],
)
def test_what_the_document_does_not_allow_is_a_422(
    sandbox: Sandbox, model: str, body: Any, loc: list[str] | None, kind: str | None
) -> None:
    (found, *_) = complaints(posted(sandbox, model, body))
    where = ["draft_enhance", "draft_cache"] if loc is None else loc
    assert found == (["body", *where], kind or found[1])


@pytest.mark.parametrize(
    ("model", "more"),
    [
        ("flux-2-pro", {"anything": [1], "width": None, "input_image": "https://a.example/a.png"}),
        ("flux-2-pro", {"input_image": f"data:image/png;base64,{ENCODED}"}),
        ("flux-3-image", {"images": ENCODED}),
        ("flux-3-image", {"images": [ENCODED] * 10, "resolution": "4k", "aspect_ratio": "21:9"}),
        ("flux-3-video", {"mode": "i2v", "keyframes": [[0, ENCODED], [2.5, ENCODED]]}),
        ("flux-3-video", {"mode": "i2v", "keyframes": [ENCODED, ENCODED], "duration": 20}),
        ("flux-3-video", {"mode": "v2v", "start_video": VIDEO, "duration": "auto"}),
    ],
)
def test_every_way_to_pass_a_file_is_taken(sandbox: Sandbox, model: str, more: Any) -> None:
    assert posted(sandbox, model, PROMPTED | more).status_code == 200


def test_a_model_that_bfl_does_not_list_is_a_404_and_what_is_no_object_a_422(
    sandbox: Sandbox,
) -> None:
    for model in ("flux-9", "flux-pro", "licenses/models/flux/usage", "credits"):
        assert posted(sandbox, model, PROMPTED).status_code == 404
    bodies: list[Any] = [[], "x", 5]
    assert {posted(sandbox, "flux-2-pro", body).status_code for body in bodies} == {422}


PORTRAIT = BytesIO()
Image.new("RGB", (300, 400)).save(PORTRAIT, "PNG")
GIVEN = base64.b64encode(PORTRAIT.getvalue()).decode()


@pytest.mark.parametrize(
    ("model", "more", "size", "form"),
    [
        ("flux-2-pro", {"width": 1024, "height": 768}, (1024, 768), "JPEG"),
        ("flux-2-pro", {"width": 200, "height": 320, "output_format": "webp"}, (200, 320), "WEBP"),
        ("flux-2-pro", {"input_image": GIVEN}, (300, 400), "JPEG"),
        ("flux-3-image", {"aspect_ratio": "16:9"}, (1360, 768), "JPEG"),
        ("flux-3-image", {"aspect_ratio": "1:1", "resolution": "2k"}, (2048, 2048), "JPEG"),
        ("flux-kontext-pro", {"aspect_ratio": "1:2"}, (720, 1440), "PNG"),
        ("flux-pro-1.0-expand", {"image": GIVEN, "left": 10, "top": 5}, (310, 405), "JPEG"),
        ("flux-tools/erase-v1", {"image": GIVEN, "mask": ENCODED}, (300, 400), "PNG"),
        ("flux-tools/vto-v2", {"person": GIVEN, "garment": ENCODED}, (300, 400), "JPEG"),
        (
            "flux-tools/outpainting-v1",
            {"input_image": GIVEN, "width": 640, "height": 480},
            (640, 480),
            "PNG",
        ),
    ],
)
def test_an_image_has_the_size_and_format_that_were_asked_for(
    sandbox: Sandbox, model: str, more: Any, size: tuple[int, int], form: str
) -> None:
    body = more if model.endswith("erase-v1") else PROMPTED | more
    task_id = posted(sandbox, model, body).json()["id"]
    wait_for("BFL is done", lambda: sandbox.task(task_id).finished_at)
    with Image.open(BytesIO(sandbox.file(task_id))) as image:
        image.load()
        assert (image.size, image.format) == (size, form)


def test_the_document_is_published_without_a_key_and_can_be_another(sandbox: Sandbox) -> None:
    answer = requests.get(f"{sandbox.url}/openapi.json", timeout=30)
    found, shipped = answer.json(), json.loads(SHIPPED.read_bytes())
    assert found["paths"] == shipped["paths"]
    assert not [name for name in found if name.startswith("x-")]
    shipped["paths"]["/v1/flux-9"] = shipped["paths"]["/v1/flux-2-pro"]
    url = f"{sandbox.url}/sandbox/openapi.json"
    assert "flux-9" in requests.put(url, json=shipped, timeout=30).json()["models"]
    assert posted(sandbox, "flux-9", PROMPTED).status_code == 200
    assert complaints(posted(sandbox, "flux-9", {})) == [(["body", "prompt"], "missing")]
    requests.put(url, data=b"{", timeout=30)
    assert requests.get(f"{sandbox.url}/openapi.json", timeout=30).content == b"{"
    assert posted(sandbox, "flux-9", PROMPTED).status_code == 200, "the last document counts"
