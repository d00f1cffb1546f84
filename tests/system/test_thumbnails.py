"""Thumbnails of stored media: made after the original is stored, deleted with it."""

import json
import math
from base64 import b64encode
from io import BytesIO
from typing import Any

import pytest
import requests
from PIL import Image, ImageStat

from tests.harness import KEYS, Stack
from tests.harness.images import png
from tests.harness.watcher import Watcher
from tests.sandbox import Task

STORAGES = ("directory", "bucket")
afterwards = Stack.settled
SIDE = 512
IMAGE: dict[str, Any] = {"format": "jpeg"}
COLOUR_TOLERANCE = 12  # between mean colours: WebP and JPEG are lossy


def mean_colour(image: Image.Image) -> list[float]:
    return ImageStat.Stat(image.convert("RGB")).mean


def small(job: dict[str, Any], n: int = 0) -> Image.Image:
    answer = requests.get(job["media"][n]["thumbnail_url"], timeout=30)  # no key, as a browser
    assert (answer.status_code, answer.headers["Content-Type"]) == (200, "image/webp")
    image = Image.open(BytesIO(answer.content))
    assert image.format == "WEBP"
    return image


@pytest.mark.parametrize("form", ["jpeg", "png", "webp"])
def test_an_image_of_each_format_has_a_thumbnail(stack: Stack, form: str) -> None:
    job = stack.stored_with_thumbnails(stack.generate(format=form))
    (file,) = job["media"]
    width, height = small(job).size
    assert max(width, height) <= SIDE and width <= file["width"] and height <= file["height"]
    assert abs(width / height - file["width"] / file["height"]) < 0.02


def test_all_samples_and_the_draft_cache_are_kept_with_their_roles(stack: Stack) -> None:
    job = stack.stored_with_thumbnails(stack.generate(samples=3, drafts=1, **IMAGE))
    assert [file["role"] for file in job["media"]] == ["sample"] * 3 + ["draft_cache"]
    for n in range(3):
        original = Image.open(BytesIO(stack.client.media(job, n)))
        assert small(job, n).format == "WEBP"
        assert math.dist(mean_colour(small(job, n)), mean_colour(original)) < COLOUR_TOLERANCE
    assert job["media"][3]["thumbnail_url"] is None


def test_a_thumbnail_is_no_second_end_on_the_event_stream(stack: Stack) -> None:
    with Watcher(f"{stack.installation.url}/api/events", KEYS["read"]) as watcher:
        job = stack.stored_with_thumbnails(stack.generate(**IMAGE))
        stored = watcher.wait_for_job(job["id"], "stored", "media")
    assert [event.data["change"] for event in stored] == ["status", "media"]


def test_a_thumbnail_is_served_as_safely_as_its_original(stack: Stack) -> None:
    job = stack.stored_with_thumbnails(stack.generate(**IMAGE))
    # Who has a key is not sent to the bucket.
    answer = stack.client.request("GET", job["media"][0]["thumbnail_url"])
    original = stack.client.request("GET", job["media"][0]["url"])
    assert answer.status_code == original.status_code == 200
    for name in ("X-Content-Type-Options", "Content-Security-Policy", "Accept-Ranges"):
        assert answer.headers[name] == original.headers[name]
    assert answer.headers["Content-Type"] == "image/webp"
    assert answer.headers["ETag"] != original.headers["ETag"]
    assert answer.headers["Content-Disposition"].endswith('.thumb.webp"')


def beside(stack: Stack, task: Task) -> list[dict[str, Any]]:
    """The `.json` beside each object: a storage explains itself without Redis."""
    keys = sorted(key for key in stack.installation.stored_objects.sizes() if f"/{task.id}-" in key)
    notes = [key for key in keys if key.endswith(".json")]
    assert [key.rpartition(".")[0] for key in notes] == [
        key.rpartition(".")[0] for key in stack.keys(task)
    ]
    return [json.loads(stack.installation.stored_objects.read(key)) for key in notes]


def test_an_object_is_explained_as_its_user_sees_it(stack: Stack) -> None:
    task = stack.generate(format="jpeg")
    stack.announce(task, model="flux-2-pro", metadata={"user": "Zoë"})
    stack.stored_with_thumbnails(task)
    (note,) = beside(stack, task)
    assert note.pop("format") == 1
    assert note.pop("ended_at") <= note["updated_at"] and note.pop("request") is None
    (medium,) = note.pop("media")
    assert [medium["key"]] == stack.keys(task)
    small = medium.pop("thumbnail")
    assert stack.installation.stored_objects.sha256(small["key"]) == small["sha256"]
    shown = stack.client.job(task.id)
    (shown_medium,) = shown.pop("media")
    for name in ("url", "public_url", "thumbnail_url"):  # links are for readers of the API
        shown_medium.pop(name)
    assert (note, medium) == (shown, shown_medium)
    assert note["status"] == "stored" and note["metadata"] == {"user": "Zoë"}


def test_nothing_in_it_dies_or_opens_anything(stack: Stack) -> None:
    task = stack.generate()
    stack.announce(task, metadata={"note": "sample"})
    stack.stored_with_thumbnails(task)
    text = json.dumps(beside(stack, task))
    for word in ("sig=", "/media/", "http://", "https://", "canary", "lease", "fencing"):
        assert word not in text


def test_changes_of_a_stored_job_are_in_its_sidecar(stack: Stack) -> None:
    task = stack.generate()
    stack.stored(task)
    stack.announce(task, metadata={"album": "fog"}, model="flux-2-pro")
    (note,) = beside(stack, task)
    assert (note["metadata"], note["model"]) == ({"album": "fog"}, "flux-2-pro")
    stack.settled()


def test_a_decompression_bomb_is_stored_as_it_is_without_a_thumbnail(stack: Stack) -> None:
    task = stack.generate(body_base64=b64encode(png(60_000, 60_000, (b"IDAT", b""))).decode())
    (file,) = stack.stored_with_thumbnails(task)["media"]
    assert (file["width"], file["height"], file["thumbnail_url"]) == (60_000, 60_000, None)
    messages = [line for line in stack.installation.logs("worker").splitlines() if task.id in line]
    assert any("stored without a thumbnail" in line for line in messages)
