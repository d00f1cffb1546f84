"""Width and height of a JPEG, PNG or WebP from its header.

Pillow is not used: it reads everything before the pixels when it opens a file (50 s for 100 MB of
EXIF data in pieces), and a WebP as a whole.
"""

import re
from collections.abc import Callable
from mmap import mmap

# A JPEG has about ten segments before its size; an ICC profile or C2PA data have dozens.
SEGMENTS_MAX = 1000

Data = bytes | mmap
_MARKER = re.compile(rb"\xff{1,64}([^\x00\xff])")
_NO_FRAME = frozenset({0xC4, 0xC8, 0xCC})  # tables, and a reserved number
_FRAMES = frozenset(range(0xC0, 0xD0)) - _NO_FRAME


def size(data: Data, kind: str) -> tuple[int, int] | None:
    """Width and height in pixels as coded, without the EXIF orientation."""
    width, height = _SIZES[kind](data) or (0, 0)
    return (width, height) if width and height else None


def _jpeg(data: Data) -> tuple[int, int] | None:
    """Walk the markers up to the frame: a thumbnail in the EXIF data has frames too."""
    at = 2
    for _ in range(SEGMENTS_MAX):
        if not (marker := _MARKER.match(data, at)):
            return None
        at = marker.end()
        if marker[1][0] in _FRAMES:
            return _big(data, at + 5, 2), _big(data, at + 3, 2)
        at += _big(data, at, 2)
    return None


def _png(data: Data) -> tuple[int, int] | None:
    return (_big(data, 16, 4), _big(data, 20, 4)) if data[12:16] == b"IHDR" else None


def _webp(data: Data) -> tuple[int, int] | None:
    """Three kinds: lossy, lossless (14 bits each), and extended with a canvas (24 bits each)."""
    coding, head = data[12:16], data[20:30]
    if len(head) < 10:
        return None
    if coding == b"VP8 " and head[3:6] == b"\x9d\x01\x2a":
        return _little(head[6:8]) & 0x3FFF, _little(head[8:10]) & 0x3FFF
    if coding == b"VP8L" and head[:1] == b"\x2f":
        bits = _little(head[1:5])
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    if coding == b"VP8X":
        return _little(head[4:7]) + 1, _little(head[7:10]) + 1
    return None


def _big(data: Data, at: int, length: int) -> int:
    """A big-endian number; 0 when the file ends before it does."""
    found = data[at : at + length]
    return int.from_bytes(found, "big") if len(found) == length else 0


def _little(found: bytes) -> int:
    return int.from_bytes(found, "little")


_SIZES: dict[str, Callable[[Data], tuple[int, int] | None]] = {
    "image/jpeg": _jpeg,
    "image/png": _png,
    "image/webp": _webp,
}
