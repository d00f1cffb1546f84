"""`python -m worker.thumbnail_child <content type>`: draw one thumbnail, within limits.

A process for each picture, because nothing else can stop Pillow: 20,000 scans in a JPEG of 1 MB or
EXIF data in a thousand pieces keep it busy for minutes, and a fault in a decoder ends the process.
The original is standard input, the thumbnail standard output, the reason for none standard error.
"""

import struct
import sys
import warnings
from contextlib import suppress
from io import BytesIO
from resource import RLIMIT_AS, RLIMIT_CORE, RLIMIT_CPU, getrlimit, setrlimit
from typing import BinaryIO

from PIL import Image, ImageOps

MEMORY_MAX_BYTES = 384 * 2**20  # 32 megapixels need 256 MiB; a WebP twice that, so 20 are its most
CPU_SECONDS = 10
LONGEST_SIDE = 512
QUALITY = 80
PIXELS_MAX = 32_000_000  # eight times what BFL's largest models draw
REASON_MAX_CHARACTERS = 200

FORMATS = {"image/jpeg": "JPEG", "image/png": "PNG", "image/webp": "WEBP"}


def main() -> int:
    set_limits()  # before the first byte of the picture is read
    warnings.simplefilter("ignore")  # whatever they say of a picture, it does not go into our log
    try:
        sys.stdout.buffer.write(thumbnail(sys.stdin.buffer, sys.argv[1]))
    except BaseException as error:  # noqa: BLE001 - Pillow raises what it likes
        reason = f"{type(error).__name__}: {error}"
        sys.stderr.write(ascii(reason[:REASON_MAX_CHARACTERS]))
        return 1
    return 0


def set_limits() -> None:
    limits = ((RLIMIT_CORE, 0), (RLIMIT_CPU, CPU_SECONDS), (RLIMIT_AS, MEMORY_MAX_BYTES))
    for resource, most in limits:
        with suppress(ValueError, OSError):  # macOS knows RLIMIT_AS but lets none be set
            setrlimit(resource, (most, getrlimit(resource)[1]))


def thumbnail(file: BinaryIO, content_type: str) -> bytes:
    """The picture as a small WebP. Raises whatever Pillow does."""
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
        image = _in_eight_bits(image)
    mode = "RGBA" if image.has_transparency_data else "RGB"
    return image if image.mode == mode else image.convert(mode)


def _in_eight_bits(image: Image.Image) -> Image.Image:
    """Pillow would cut all but the darkest of 65,536 greys off at white."""
    image.info.pop("transparency", None)
    return image.point(lambda grey: grey * (1 / 256)).convert("L")


def _turn(image: Image.Image) -> None:
    """The way up that the camera noted; broken notes are ignored."""
    with suppress(OSError, SyntaxError, ValueError, TypeError, KeyError, struct.error):
        ImageOps.exif_transpose(image, in_place=True)


if __name__ == "__main__":
    sys.exit(main())
