"""`python -m worker.thumbnail_child <content type>`: make one thumbnail, within limits.

Each image has a process of its own, because nothing else stops Pillow: 20,000 scans in a JPEG of
1 MB, or EXIF data in a thousand pieces, take minutes, and a fault in a decoder ends the process.
Standard input is the original, standard output the thumbnail, standard error the error.
"""

import struct
import sys
import warnings
from contextlib import suppress
from io import BytesIO
from resource import RLIMIT_AS, RLIMIT_CORE, RLIMIT_CPU, getrlimit, setrlimit
from typing import BinaryIO

from PIL import Image, ImageOps

MEMORY_MAX_BYTES = 384 * 2**20  # 32 megapixels need 256 MiB, a WebP of 20 as much
CPU_SECONDS = 10
LONGEST_SIDE = 512
QUALITY = 80
PIXELS_MAX = 32_000_000  # eight times the largest image of BFL's models
REASON_MAX_CHARACTERS = 200

FORMATS = {"image/jpeg": "JPEG", "image/png": "PNG", "image/webp": "WEBP"}


def main() -> int:
    # Before the first byte is read.
    _limit(RLIMIT_CORE, 0)
    _limit(RLIMIT_CPU, CPU_SECONDS)
    _limit(RLIMIT_AS, MEMORY_MAX_BYTES)
    warnings.simplefilter("ignore")  # image data must not reach the log
    try:
        sys.stdout.buffer.write(thumbnail(sys.stdin.buffer, sys.argv[1]))
    except BaseException as error:  # noqa: BLE001 - Pillow raises any class
        reason = f"{type(error).__name__}: {error}"
        sys.stderr.write(ascii(reason[:REASON_MAX_CHARACTERS]))
        return 1
    return 0


def _limit(resource: int, limit: int) -> None:
    _soft_limit, hard_limit = getrlimit(resource)
    with suppress(ValueError, OSError):  # macOS knows RLIMIT_AS but refuses to set it
        setrlimit(resource, (limit, hard_limit))


def thumbnail(file: BinaryIO, content_type: str) -> bytes:
    """The image as a small WebP. Raises any error of Pillow."""
    result = BytesIO()
    with Image.open(file, formats=[FORMATS[content_type]]) as image:
        if image.width * image.height > PIXELS_MAX:
            raise Image.DecompressionBombError(f"{image.width} x {image.height} pixels")
        # Decode a JPEG at reduced scale; twice the wanted size keeps it sharp.
        image.draft(None, (2 * LONGEST_SIDE, 2 * LONGEST_SIDE))
        frame: Image.Image = image
        if image.mode == "I;16":
            # Scale 16-bit grey to 8 bits: Pillow would clip it.
            image.info.pop("transparency", None)
            frame = image.point(lambda grey: grey * (1 / 256)).convert("L")
        mode = "RGBA" if frame.has_transparency_data else "RGB"  # taken as sRGB
        small = frame
        if frame.mode != mode:
            small = frame.convert(mode)
        small.thumbnail((LONGEST_SIDE, LONGEST_SIDE), Image.Resampling.LANCZOS, reducing_gap=3.0)
        # Broken EXIF data are ignored.
        with suppress(OSError, SyntaxError, ValueError, TypeError, KeyError, struct.error):
            ImageOps.exif_transpose(small, in_place=True)
        small.info.clear()  # drop all metadata
        small.save(result, "WEBP", quality=QUALITY)
    return result.getvalue()


if __name__ == "__main__":
    sys.exit(main())
