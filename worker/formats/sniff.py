"""Media formats by their bytes: completeness and dimensions.

Pillow is not used: it reads everything before the pixels when it opens a file (50 s for 100 MB of
EXIF data in pieces), and a WebP as a whole.
"""

import re
from collections.abc import Callable
from itertools import islice
from mmap import ACCESS_READ, mmap
from pathlib import Path
from typing import NamedTuple

from jobs.storage.layout import OPAQUE
from worker.formats import mp4

WINDOW_BYTES = 64 * 1024
SHORTEST_BYTES = 16  # no media file is this short
# A hundred times what real files have: bounds the time that a hostile file can take.
MARKERS_MAX = 200_000
CHUNKS_MAX = 200_000
BOXES_MAX = 200_000
# A JPEG has about ten segments before its size; an ICC profile or C2PA data have dozens.
SEGMENTS_MAX = 1000
HEIF_TYPES = ("image/avif", "image/heic", "image/heif")

MediaBytes = bytes | mmap
_END_OF_IMAGE = 0xD9
# The start of a segment: in a scan, FF is followed by 00 (a stuffed byte) or a restart marker.
# Without `+`: of a run of FF only the last one can match, and each is read once.
_MARKER = re.compile(rb"\xff[^\x00\xff\xd0-\xd7]")
_HEADER_MARKER = re.compile(rb"\xff{1,64}([^\x00\xff])")
_NO_FRAME = frozenset({0xC4, 0xC8, 0xCC})  # tables, and a reserved number
_FRAMES = frozenset(range(0xC0, 0xD0)) - _NO_FRAME


class Dimensions(NamedTuple):
    """Size in pixels and duration of a video; None where the file does not say."""

    width: int | None = None
    height: int | None = None
    seconds: float | None = None


UNKNOWN = Dimensions()


def is_complete(path: Path, kind: str) -> bool:
    """Check that a file ends as its format does: the only check for a body without a length."""
    if path.stat().st_size < SHORTEST_BYTES:
        return False
    with path.open("rb") as file, mmap(file.fileno(), 0, access=ACCESS_READ) as media:
        return _COMPLETE[kind](media)


def dimensions(path: Path, kind: str) -> Dimensions:
    """Read dimensions from the headers in bounded time. Raises nothing."""
    if kind == OPAQUE:
        return UNKNOWN
    try:
        with path.open("rb") as file, mmap(file.fileno(), 0, access=ACCESS_READ) as media:
            if kind == "video/mp4":
                width, height = mp4.size(media) or (None, None)
                return Dimensions(width, height, mp4.seconds(media))
            width, height = image_size(media, kind) or (None, None)
            return Dimensions(width, height)
    except (OSError, ValueError):  # mmap raises ValueError for an empty file
        return UNKNOWN


def image_size(media: MediaBytes, kind: str) -> tuple[int, int] | None:
    """Width and height in pixels as coded, without the EXIF orientation."""
    width, height = _SIZES[kind](media) or (0, 0)
    return (width, height) if width and height else None


def _jpeg_is_complete(media: mmap) -> bool:
    """Walk the markers: an embedded thumbnail or a comment can hold an end marker of its own."""
    at = 2
    for _ in range(MARKERS_MAX):
        # Window by window: a regular expression holds the GIL until it returns.
        marker = _MARKER.search(media, at, at + WINDOW_BYTES)
        while marker is None:
            at += WINDOW_BYTES - 1  # its last byte may be the first of a marker
            if at >= len(media):
                return False
            marker = _MARKER.search(media, at, at + WINDOW_BYTES)
        at = marker.end()
        kind = media[at - 1]
        if kind == _END_OF_IMAGE:
            return True
        at += int.from_bytes(media[at : at + 2], "big")
    return False


def _png_is_complete(media: mmap) -> bool:
    """Walk the chunks: other bytes may follow the last one, or have its name."""
    at = 8  # after the signature
    for _ in range(CHUNKS_MAX):
        kind = media[at + 4 : at + 8]
        at += 12 + int.from_bytes(media[at : at + 4], "big")  # length, kind and checksum
        if kind == b"IEND":
            return at <= len(media)
        if at >= len(media):
            return False
    return False


def _mp4_is_complete(media: mmap) -> bool:
    """A chain of boxes up to the end of the file, with samples (mdat) and their index."""
    end, kinds = _chain_of_boxes(media)
    has_index = b"moov" in kinds or b"moof" in kinds
    return end == len(media) and b"mdat" in kinds and has_index


def _heif_is_complete(media: mmap) -> bool:
    """A chain of boxes up to the end of the file, with the items' description."""
    end, kinds = _chain_of_boxes(media)
    has_description = b"meta" in kinds or b"moov" in kinds
    return end == len(media) and has_description


def _chain_of_boxes(media: mmap) -> tuple[int, set[bytes]]:
    """The end of the last box of the file, and the kinds of all."""
    end = 0
    kinds = set[bytes]()
    for box in islice(mp4.boxes(media, 0, len(media)), BOXES_MAX):
        end = box.end
        kinds.add(box.kind)
    return end, kinds


def _jpeg_size(media: MediaBytes) -> tuple[int, int] | None:
    """Walk the markers up to the frame: a thumbnail in the EXIF data has frames too."""
    at = 2
    for _ in range(SEGMENTS_MAX):
        marker = _HEADER_MARKER.match(media, at)
        if marker is None:
            return None
        at = marker.end()
        if marker[1][0] in _FRAMES:
            return _big(media, at + 5, 2), _big(media, at + 3, 2)
        at += _big(media, at, 2)
    return None


def _webp_size(media: MediaBytes) -> tuple[int, int] | None:
    """Three kinds: lossy, lossless (14 bits each), and extended with a canvas (24 bits each)."""
    coding = media[12:16]
    head = media[20:30]
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


def _big(media: MediaBytes, at: int, length: int) -> int:
    """A big-endian number; 0 when the file ends before it does."""
    digits = media[at : at + length]
    if len(digits) < length:
        return 0
    return int.from_bytes(digits, "big")


def _little(digits: bytes) -> int:
    return int.from_bytes(digits, "little")


def _png_size(media: MediaBytes) -> tuple[int, int] | None:
    """The first chunk is the header."""
    if media[12:16] != b"IHDR":
        return None
    width = _big(media, 16, 4)
    height = _big(media, 20, 4)
    return width, height


def _webp_is_complete(media: mmap) -> bool:
    """The length at the beginning leaves out itself and the four letters before it."""
    return _little(media[4:8]) + 8 <= len(media)


_COMPLETE: dict[str, Callable[[mmap], bool]] = {
    "image/jpeg": _jpeg_is_complete,
    "image/png": _png_is_complete,
    "image/webp": _webp_is_complete,
    **dict.fromkeys(HEIF_TYPES, _heif_is_complete),
    "video/mp4": _mp4_is_complete,
}
_SIZES: dict[str, Callable[[MediaBytes], tuple[int, int] | None]] = {
    "image/jpeg": _jpeg_size,
    "image/png": _png_size,
    "image/webp": _webp_size,
    **dict.fromkeys(HEIF_TYPES, mp4.largest_image),
}
