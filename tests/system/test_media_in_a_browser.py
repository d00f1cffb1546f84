"""A link of each content type opened in a real Chromium, by itself and in the dashboard."""

from base64 import b64encode
from collections.abc import Iterator
from io import BytesIO
from typing import Any

import pytest
from PIL import Image
from playwright.sync_api import expect

from tests.harness import Stack
from tests.harness.chromium import Chromium, Window
from tests.harness.visitor import log_in

STORAGES = ["directory", "bucket"]
# MEDIA_SERVE is `stream`: what a bucket answers has no headers of ours.
IMAGES = ("jpeg", "png", "webp", "avif")  # Chromium shows no HEIC
# The page that Chromium makes for an image is not centred: its own style is refused as well.
STYLE_REFUSED = "Applying inline style violates"

pytestmark = pytest.mark.browser


@pytest.fixture
def window(chromium: Chromium) -> Iterator[Window]:
    with chromium.window() as opened:
        yield opened


def file_of(stack: Stack, kind: str) -> dict[str, Any]:
    """The file of a stored job, as the API shows it."""
    if kind == "avif":
        body = BytesIO()
        Image.new("RGB", (64, 48), "navy").save(body, "AVIF")
        task = stack.generate(body_base64=b64encode(body.getvalue()).decode())
    else:
        task = stack.generate(format=kind)
    return dict(stack.stored_with_thumbnails(task)["media"][0], job_id=task.id)


def wait_until_it_plays(window: Window) -> None:
    video = window.page.locator("video").first
    expect(video).to_be_attached()
    window.page.wait_for_function(
        "() => { const video = document.querySelector('video');"
        " return video.error || video.readyState >= HTMLMediaElement.HAVE_CURRENT_DATA; }"
    )
    assert video.evaluate("video => video.error && video.error.message") is None
    assert video.evaluate("video => video.videoWidth") > 0


def test_the_link_of_a_video_plays(stack: Stack, window: Window) -> None:
    file = file_of(stack, "mp4")
    window.page.goto(file["url"])
    wait_until_it_plays(window)
    assert window.complaints == []


@pytest.mark.parametrize("kind", IMAGES)
def test_the_link_of_an_image_shows_it(stack: Stack, window: Window, kind: str) -> None:
    file = file_of(stack, kind)
    for url in filter(None, (file["url"], file["thumbnail_url"])):
        window.page.goto(url)
        image = window.page.locator("img")
        expect(image).to_be_visible()
        assert image.evaluate("image => image.complete && image.naturalWidth") > 0
    assert not [text for text in window.complaints if STYLE_REFUSED not in text]


def test_no_script_runs_on_a_page_of_media(stack: Stack, window: Window) -> None:
    """Also with the origin of the dashboard, whose cookies and storage it could read."""
    window.page.goto(file_of(stack, "mp4")["url"])
    add_script = (
        "() => { const script = document.createElement('script');"
        " script.textContent = 'window.taken = 1'; document.documentElement.append(script);"
        " return window.taken; }"
    )
    assert window.page.evaluate(add_script) is None


def test_a_video_plays_in_the_dashboard(stack: Stack, window: Window) -> None:
    file = file_of(stack, "mp4")
    log_in(window, stack.installation.url, f"/jobs/{file['job_id']}", "read")
    window.page.locator("video").first.evaluate(
        "video => { video.preload = 'auto'; video.load(); }"
    )
    wait_until_it_plays(window)
    assert not [text for text in window.complaints if "Content Security" in text]
