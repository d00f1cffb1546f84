"""A picture drawn small, as a WebP."""

import struct
from contextlib import suppress
from io import BytesIO
from typing import BinaryIO

from PIL import Image, ImageOps

LONGEST_SIDE = 512
QUALITY = 80
PIXELS_MAX = 32_000_000  # eight times what BFL's largest models draw

FORMATS = {"image/jpeg": "JPEG", "image/png": "PNG", "image/webp": "WEBP"}


def drawn(file: BinaryIO, content_type: str) -> bytes:
    """The thumbnail's bytes. Raises whatever Pillow does."""
    result = BytesIO()
    with Image.open(file, formats=[FORMATS[content_type]]) as image:
        if image.width * image.height > PIXELS_MAX:
            raise Image.DecompressionBombError(f"{image.width} x {image.height} pixels")
        # A JPEG can be decoded at an eighth of its size; twice the wanted one leaves it sharp.
        image.draft(None, (2 * LONGEST_SIDE, 2 * LONGEST_SIDE))
        small = _in_colour(image)
        small.thumbnail((LONGEST_SIDE, LONGEST_SIDE), Image.Resampling.LANCZOS, reducing_gap=3.0)
        _turn(small)
        small.info.clear()  # nothing that was written about the picture goes on
        small.save(result, "WEBP", quality=QUALITY)
    return result.getvalue()


def _in_colour(image: Image.Image) -> Image.Image:
    """The first frame in RGB, which is taken for sRGB, or RGBA."""
    if image.mode == "I;16":
        image = _of_eight_bits(image)
    mode = "RGBA" if image.has_transparency_data else "RGB"
    return image if image.mode == mode else image.convert(mode)


def _of_eight_bits(image: Image.Image) -> Image.Image:
    """Pillow would cut all but the darkest of 65,536 greys off at white."""
    image.info.pop("transparency", None)
    return image.point(lambda grey: grey * (1 / 256)).convert("L")


def _turn(image: Image.Image) -> None:
    """The way up that the camera noted; broken notes are none."""
    with suppress(OSError, SyntaxError, ValueError, TypeError, KeyError, struct.error):
        ImageOps.exif_transpose(image, in_place=True)
