"""Files in a body: base64 of an image, a video or a draft bundle, or an https URL.

BFL's document names no format for them. The fields are those of shared knowledge, by name.
"""

import base64
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
