"""`make screenshots`: fill an installation with sample jobs and take a picture of each page."""

import sys
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple
from urllib.parse import urlencode

from PIL import Image

from deploy.procfile import ROOT
from tests.harness.chromium import Chromium
from tests.harness.installation import KEYS
from tests.harness.patience import wait_for
from tests.harness.screenshots import sample_jobs
from tests.harness.stack import Stack, running_stack

FOLDER = ROOT / "deploy" / "screenshots"
TOTAL_MAX_BYTES = 300_000
WEBP_QUALITY = 52  # enough, because README shows the pictures at half their size
WIDE = {"width": 1280, "height": 832}
TALL = {"width": 1280, "height": 1080}
HEALTH = {"width": 1280, "height": 1140}
MARGIN_PIXELS = 24
PHONE = {"width": 390, "height": 780}
# Browsers load images below the window lazily.
VISIBLE_IMAGES_LOADED = """() => [...document.images].every(
    image => image.complete || image.getBoundingClientRect().top > innerHeight)"""
LONG_PROMPT = (
    "Terracotta ridges at the end of a dry summer, seen from a slow train: five planes of haze, "
    "a low sun without rays, and nobody on the road that is not there"
)
PICTURES = (
    (1, 1024, 1024, "Pale morning over blue hills, watercolour"),
    (7, 832, 1216, "Lavender evening, distant peaks, film grain"),
    (10, 1344, 768, "Violet dusk over a valley, long exposure"),
    (3, 1216, 832, "Moonlit ridges, almost monochrome, quiet"),
    (4, 1024, 1024, "A meadow before the rain"),
    (14, 1216, 832, "Teal fjord, low sun, mist between the mountains"),
    (9, 832, 1216, "The first clear day of the year"),
    (8, 1344, 768, "Layered hills after rain, the last sun under the clouds"),
    (13, 1024, 1024, "The view from the night train"),
    (2, 1536, 640, "An unhurried sunset with nobody to see it"),
    (11, 832, 1216, "Winter moon, seen from the pass"),
    (5, 1344, 768, LONG_PROMPT),
)
MODELS = ("flux-2-pro", "flux-2-max", "flux-pro-1.1-ultra", "flux-2-flex")


def main() -> None:
    FOLDER.mkdir(exist_ok=True)
    chromium = Chromium()
    try:
        with (
            TemporaryDirectory(prefix="fluxkeep-screenshots-") as directory,
            running_stack(Path(directory)) as stack,
        ):
            taken = list(_take_all(chromium, stack))
    finally:
        chromium.close()
    total = sum(path.stat().st_size for path in taken)
    print(f"{len(taken)} pictures, {total:,} bytes in {FOLDER}")
    if total > TOTAL_MAX_BYTES:
        sys.exit(f"that is more than {TOTAL_MAX_BYTES:,} bytes")


class Screenshot(NamedTuple):
    """A page to take a picture of, or one element of it, in the light and perhaps the dark."""

    name: str
    path: str
    viewport: dict[str, int] = WIDE
    themes: tuple[str, ...] = ("light", "dark")
    element: str = ""


def _take_all(chromium: Chromium, stack: Stack) -> Iterator[Path]:
    light = ("light",)
    yield from _take(chromium, stack, Screenshot("first-run", "/", themes=light))
    edited, job_id = sample_jobs.make_variants(stack), make_sample_jobs(stack)
    sample_jobs.book_past_costs(stack, edited)
    for screenshot in (
        Screenshot("gallery", "/"),
        Screenshot("job", f"/jobs/{job_id}", TALL),
        Screenshot("variants", f"/jobs/{edited}", themes=light, element="#variants"),
        Screenshot("submit", f"/submit?again={edited}", TALL, light),
        Screenshot("health", "/health", HEALTH, light),
        Screenshot("phone", "/", PHONE),
    ):
        yield from _take(chromium, stack, screenshot)


def make_sample_jobs(stack: Stack) -> str:
    """Make jobs of all kinds; returns the id of the job whose page is taken."""
    for n, (seed, width, height, prompt) in enumerate(PICTURES):
        body = {"metadata": {"user": "42", "campaign": "autumn"}}
        model = MODELS[n % len(MODELS)]
        job_id = sample_jobs.store_image(
            stack, seed, width, height, model=model, prompt=prompt, body=body
        )
        if n == 8:
            sample_jobs.finish_job(stack, outcome="content_moderated")
        if n == 10:
            sample_jobs.finish_job(stack, "flux-3-video", prompt="A slow pan over the valley")
    stack.client.callback({"id": job_id, "status": "Ready"}, auth="wrong")
    sample_jobs.start_job(stack, "flux-2-max", seconds=600, callback="never")
    wait_for("thumbnails", lambda: not stack.awaiting_thumbnails(), 60)
    return job_id


def _take(chromium: Chromium, stack: Stack, wanted: Screenshot) -> Iterator[Path]:
    for theme in wanted.themes:
        with chromium.window(viewport=wanted.viewport, color_scheme=theme) as window:
            page = window.page
            page.goto(f"{stack.installation.url}/login?{urlencode({'next': wanted.path})}")
            page.fill("#key", KEYS["admin"])
            page.click("main button")
            page.wait_for_load_state("load")
            page.wait_for_function(VISIBLE_IMAGES_LOADED)
            clip = _box(page.locator(wanted.element)) if wanted.element else None
            png = page.screenshot(clip=clip, full_page=bool(clip))
            yield _save(png, FOLDER / f"{wanted.name}-{theme}.webp")


def _box(element: Any) -> dict[str, float]:
    box = element.bounding_box()
    sides = {side: box[side] - MARGIN_PIXELS for side in ("x", "y")}
    return sides | {side: box[side] + 2 * MARGIN_PIXELS for side in ("width", "height")}


def _save(png: bytes, path: Path) -> Path:
    with Image.open(BytesIO(png)) as image:
        image.convert("RGB").save(path, "WEBP", quality=WEBP_QUALITY, method=6)
    return path


if __name__ == "__main__":
    main()
