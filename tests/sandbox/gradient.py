"""A pleasant image from a number."""

from functools import lru_cache
from io import BytesIO

from PIL import Image, ImageOps

SIZE = (512, 512)
COLOURS = ((0, 30), (70, 70))  # degrees on the colour wheel, and lightness


@lru_cache(maxsize=16)
def gradient(seed: int, size: tuple[int, int] = SIZE, form: str = "png") -> bytes:
    """Two colours that run into each other; the same seed draws the same image."""
    slope = Image.linear_gradient("L").rotate(seed % 4 * 90).resize(size)
    dark, bright = (f"hsl({(seed * 47 + turn) % 360}, 80%, {light}%)" for turn, light in COLOURS)
    file = BytesIO()
    ImageOps.colorize(slope, dark, bright).save(file, form)
    return file.getvalue()
