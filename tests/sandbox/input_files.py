"""Files in a body, and the size of the image that it asks for.

A file is base64 of an image, a video or a draft bundle, or an https URL.

BFL's document names no format for them. The fields are those of shared knowledge, by name.
"""

import base64
import math
import re
from collections.abc import Iterator, Mapping
from io import BytesIO
from typing import Any

from PIL import Image, UnidentifiedImageError

IMAGES = re.compile(r"input_image(_[2-9])?|images?|mask|person|garment|image_prompt|keyframes")
VIDEOS = re.compile(r"(start_|input_)?video")
DRAFT = "draft_cache"
URL = re.compile(r"https://[^/\s]+(/\S*)?")
DATA_URL = re.compile(r"data:[a-z]+/[a-z0-9.+-]+;base64,")
MP4_BRAND = slice(4, 8)


def wrong_files(body: Mapping[str, Any]) -> Iterator[tuple[list[str | int], str]]:
    """Where a file is wrong, and why."""
    for name, value in body.items():
        is_file = IMAGES.fullmatch(name) or VIDEOS.fullmatch(name) or name == DRAFT
        if is_file and not all(_is_right(name, text) for text in _texts(value)):
            kind = "an mp4" if VIDEOS.fullmatch(name) else "an image"
            what = "base64" if name == DRAFT else f"base64 of {kind}"
            yield [name], f"neither {what} nor an https URL"


def image_sizes(body: Mapping[str, Any]) -> Iterator[tuple[int, int]]:
    """Width and height of the images in a body, in order."""
    for name, value in body.items():
        if IMAGES.fullmatch(name) and name != "mask":
            sizes = (_image_size(_decoded(text) or b"") for text in _texts(value))
            yield from (size for size in sizes if size)


def _is_right(name: str, text: str) -> bool:
    if URL.fullmatch(text):
        return True
    body = _decoded(text)
    if not body:
        return False
    if VIDEOS.fullmatch(name):
        return body[MP4_BRAND] == b"ftyp"
    return name == DRAFT or _image_size(body) is not None


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, list):
        for item in value:
            yield from _texts(item)


def _decoded(text: str) -> bytes | None:
    try:
        return base64.b64decode(DATA_URL.sub("", text, count=1), validate=True)
    except ValueError:
        return None


def _image_size(body: bytes) -> tuple[int, int] | None:
    try:
        with Image.open(BytesIO(body)) as image:
            return image.size
    except (UnidentifiedImageError, OSError, ValueError, Image.DecompressionBombError):
        return None


Size = tuple[int, int]

MEGAPIXEL = 2**20
PIXELS = {"768sq": 768**2, "1.5k": 1536**2, "2k": 2048**2, "4k": 4096**2}
PIXELS_BY_MODEL = {"flux-pro-1.1-ultra": 4 * MEGAPIXEL}
PIXELS_MAX = 4096**2
SIDE_MIN = 16
STEP = 16  # of sides that follow from a ratio
SIDE_DEFAULT = 1024
MARGINS = ("left", "right", "top", "bottom")
RATIO = re.compile(r"([1-9][0-9]{0,2}):([1-9][0-9]{0,2})")


def side(value: Any) -> int:
    """A side in pixels as BFL reads it, also as a text or as a float; 0 where it decides."""
    try:
        return max(int(float(value)), 0)
    except (TypeError, ValueError, OverflowError):
        return 0


def image_size(model: str, body: Mapping[str, Any]) -> Size | None:
    """None for a body that asks for none."""
    width, height = side(body.get("width")), side(body.get("height"))
    given = next(image_sizes(body), None)
    if width or height:
        size = (width or SIDE_DEFAULT, height or SIDE_DEFAULT)
    elif ratio := RATIO.fullmatch(body.get("aspect_ratio") or ""):
        size = _of_ratio(int(ratio[1]) / int(ratio[2]), _pixels(model, body))
    elif "resolution" in body:
        size = _of_ratio(given[0] / given[1] if given else 1.0, _pixels(model, body))
    elif given is None:
        return None
    else:
        left, right, top, bottom = (body.get(name) or 0 for name in MARGINS)
        size = (given[0] + left + right, given[1] + top + bottom)
    return _bounded(size)


def _pixels(model: str, body: Mapping[str, Any]) -> int:
    usual = PIXELS_BY_MODEL.get(model, MEGAPIXEL)
    return PIXELS.get(str(body.get("resolution")), usual)


def _of_ratio(ratio: float, pixels: int) -> Size:
    width = round(math.sqrt(pixels * ratio) / STEP) * STEP
    return width, round(width / ratio / STEP) * STEP


def _bounded(size: Size) -> Size:
    scale = min(1.0, math.sqrt(PIXELS_MAX / (size[0] * size[1])))
    width, height = (max(SIDE_MIN, int(side * scale)) for side in size)
    return width, height
