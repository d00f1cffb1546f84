"""`python -m worker.darkroom image/png <original >thumbnail`: a picture drawn small, as a WebP.

A process of its own, because Pillow can be stopped by nothing else: 20,000 scans in a JPEG of 1 MB,
EXIF data in a thousand pieces or a PNG of empty chunks keep it busy for minutes, and a fault in one
of its decoders would take the rescue with it. Here such a file meets the limits below, and that is
all. What it says on stderr is the reason why there is no thumbnail.
"""

import struct
import sys
from contextlib import suppress
from io import BytesIO
from resource import RLIMIT_AS, RLIMIT_CORE, RLIMIT_CPU, getrlimit, setrlimit
from typing import BinaryIO

from PIL import Image, ImageOps

LONGEST_SIDE = 512
QUALITY = 80
PIXELS_MAX = 64_000_000  # sixteen times what BFL's models draw
MEMORY_MAX_BYTES = 640 * 2**20  # 64 megapixels with transparency need 512 MiB
CPU_SECONDS = 10

FORMATS = {"image/jpeg": "JPEG", "image/png": "PNG", "image/webp": "WEBP"}


def main() -> None:
    _limit()
    sys.stdout.buffer.write(drawn(sys.stdin.buffer, sys.argv[1]))


def _limit() -> None:
    for resource, most in (
        (RLIMIT_CORE, 0),
        (RLIMIT_CPU, CPU_SECONDS),
        (RLIMIT_AS, MEMORY_MAX_BYTES),
    ):
        with suppress(ValueError, OSError):  # macOS knows RLIMIT_AS but does not let it be set
            setrlimit(resource, (most, getrlimit(resource)[1]))


def drawn(file: BinaryIO, content_type: str) -> bytes:
    """The thumbnail's bytes. Raises whatever Pillow does."""
    with Image.open(file, formats=[FORMATS[content_type]]) as image:
        if image.width * image.height > PIXELS_MAX:
            raise Image.DecompressionBombError(f"{image.width} x {image.height} pixels")
        small = _small(image)
    _turn(small)
    small.info.clear()  # nothing that was written about the picture goes on
    result = BytesIO()
    small.save(result, "WEBP", quality=QUALITY)
    return result.getvalue()


def _small(image: Image.Image) -> Image.Image:
    """The first frame in RGB, which is taken for sRGB, or RGBA; never larger than it was."""
    # A JPEG can be decoded at an eighth of its size; twice the wanted one leaves it sharp.
    image.draft(None, (2 * LONGEST_SIDE, 2 * LONGEST_SIDE))
    mode = "RGBA" if image.has_transparency_data else "RGB"
    small = image if image.mode == mode else image.convert(mode)
    small.thumbnail((LONGEST_SIDE, LONGEST_SIDE), Image.Resampling.LANCZOS, reducing_gap=3.0)
    return small


def _turn(image: Image.Image) -> None:
    """The way up that the camera noted; broken notes are none."""
    with suppress(OSError, SyntaxError, ValueError, TypeError, KeyError, struct.error):
        ImageOps.exif_transpose(image, in_place=True)


if __name__ == "__main__":
    main()
