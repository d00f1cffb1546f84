"""Images that are plain to see or say what they like, and what becomes of them."""

import struct
import zlib
from io import BytesIO
from pathlib import Path

from PIL import Image

from tests.sandbox.formats import JPEGS, WEBP, gradient
from worker import thumbnails
from worker.thumbnail_child import FORMATS
from worker.thumbnails import Thumbnail

RED, GREEN, BLUE, WHITE = (255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255)
CORNERS = (RED, GREEN, BLUE, WHITE)  # clockwise from the top left
IMAGES = {"image/jpeg": JPEGS[0], "image/png": gradient(7), "image/webp": WEBP}


def corners(width: int, height: int) -> Image.Image:
    """An image of four quarters, whose orientation and colours are plain to see."""
    image = Image.new("RGB", (2, 2))
    for at, colour in zip([(0, 0), (1, 0), (1, 1), (0, 1)], CORNERS, strict=True):
        image.putpixel(at, colour)
    return image.resize((width, height), Image.Resampling.NEAREST)


def encoded(image: Image.Image, kind: str, **options: object) -> bytes:
    file = BytesIO()
    image.save(file, FORMATS[kind], **options)
    return file.getvalue()


def box(kind: bytes, *content: bytes, large: bool = False) -> bytes:
    """A box of an MP4, with the long form of its length where it is `large`."""
    body = b"".join(content)
    if large:
        return b"\0\0\0\x01" + kind + (16 + len(body)).to_bytes(8, "big") + body
    return (8 + len(body)).to_bytes(4, "big") + kind + body


def png(width: int, height: int, *chunks: tuple[bytes, bytes], bits: int = 8) -> bytes:
    """A PNG in RGB of some chunks, which need not fit what its header says."""
    head = struct.pack(">IIBBBBB", width, height, bits, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        len(data).to_bytes(4, "big") + kind + data + zlib.crc32(kind + data).to_bytes(4, "big")
        for kind, data in [(b"IHDR", head), *chunks, (b"IEND", b"")]
    )


def made(directory: Path, body: bytes, kind: str) -> Thumbnail | None:
    """The thumbnail of some bytes, which has left them as they were."""
    original = directory / "original"
    original.write_bytes(body)
    result = thumbnails.make(original, kind)
    assert original.read_bytes() == body
    return result
