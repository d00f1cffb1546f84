"""Width and height of the image that a body asks for."""

import math
import re
from collections.abc import Mapping
from typing import Any

from tests.sandbox.input_files import image_sizes

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


def image_size(model: str, body: Mapping[str, Any]) -> Size | None:
    """None for a body that asks for none."""
    width, height = body.get("width"), body.get("height")
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
