"""Media formats by their bytes: completeness and dimensions."""

import re
from collections.abc import Callable
from itertools import islice
from mmap import ACCESS_READ, mmap
from pathlib import Path
from typing import NamedTuple

from jobs.storage.layout import HEAD_BYTES, OPAQUE
from worker.formats import image, mp4

WINDOW_BYTES = 64 * 1024
# A hundred times what real files have: bounds the time that a hostile file can take.
MARKERS_MAX = CHUNKS_MAX = BOXES_MAX = 200_000

_END_OF_IMAGE = 0xD9
# The start of a segment: in a scan, FF is followed by 00 (a stuffed byte) or a restart marker.
# Without `+`: of a run of FF only the last one can match, and each is read once.
_MARKER = re.compile(rb"\xff[^\x00\xff\xd0-\xd7]")


class Dimensions(NamedTuple):
    """Size in pixels and duration of a video; None where the file does not say."""

    width: int | None = None
    height: int | None = None
    seconds: float | None = None


UNKNOWN = Dimensions()


def is_complete(path: Path, kind: str) -> bool:
    """Check that a file ends as its format does: the only check for a body without a length."""
    if path.stat().st_size < HEAD_BYTES:
        return False
    with path.open("rb") as file, mmap(file.fileno(), 0, access=ACCESS_READ) as data:
        return _COMPLETE[kind](data)


def dimensions(path: Path, kind: str) -> Dimensions:
    """Read dimensions from the headers in bounded time. Raises nothing."""
    if kind == OPAQUE:
        return UNKNOWN
    try:
        with path.open("rb") as file, mmap(file.fileno(), 0, access=ACCESS_READ) as data:
            if kind == "video/mp4":
                width, height = mp4.size(data) or (None, None)
                return Dimensions(width, height, mp4.seconds(data))
            width, height = image.size(data, kind) or (None, None)
            return Dimensions(width, height)
    except (OSError, ValueError):  # mmap raises ValueError for an empty file
        return UNKNOWN


def _jpeg_is_complete(data: mmap) -> bool:
    """Walk the markers: an embedded thumbnail or a comment can hold an end marker of its own."""
    at = 2
    for _ in range(MARKERS_MAX):
        if not (found := _next_marker(data, at)):
            return False
        kind, at = data[found.end() - 1], found.end()
        if kind == _END_OF_IMAGE:
            return True
        at += int.from_bytes(data[at : at + 2], "big")
    return False


def _next_marker(data: mmap, at: int) -> re.Match[bytes] | None:
    """Search window by window: a regular expression holds the GIL until it returns."""
    while at < len(data):
        if found := _MARKER.search(data, at, at + WINDOW_BYTES):
            return found
        at += WINDOW_BYTES - 1  # its last byte may be the first of a marker
    return None


def _png_is_complete(data: mmap) -> bool:
    """Walk the chunks: other bytes may follow the last one, or have its name."""
    at = 8  # after the signature
    for _ in range(CHUNKS_MAX):
        kind = data[at + 4 : at + 8]
        at += 12 + int.from_bytes(data[at : at + 4], "big")  # length, kind and checksum
        if kind == b"IEND" or at >= len(data):
            return kind == b"IEND" and at <= len(data)
    return False


def _webp_is_complete(data: mmap) -> bool:
    return int.from_bytes(data[4:8], "little") + 8 <= len(data)


def _mp4_is_complete(data: mmap) -> bool:
    """A chain of boxes up to the end of the file, with samples (mdat) and their index."""
    end, seen = 0, set()
    for box in islice(mp4.boxes(data, 0, len(data)), BOXES_MAX):
        end = box.end
        seen.add(box.kind)
    return end == len(data) and b"mdat" in seen and not seen.isdisjoint({b"moov", b"moof"})


_COMPLETE: dict[str, Callable[[mmap], bool]] = {
    "image/jpeg": _jpeg_is_complete,
    "image/png": _png_is_complete,
    "image/webp": _webp_is_complete,
    "video/mp4": _mp4_is_complete,
}
