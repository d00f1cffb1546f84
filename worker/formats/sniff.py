"""What bytes are, by their own word: the four formats BFL delivers, and whether they are whole."""

import re
from collections.abc import Callable
from itertools import islice
from mmap import ACCESS_READ, mmap
from pathlib import Path

from jobs.errors import NotMedia
from worker.formats import mp4_boxes

HEAD_BYTES = 16
WINDOW_BYTES = 64 * 1024
# A hundred times what real files have: a hostile one must not be walked through for minutes.
MARKERS_MAX = BOXES_MAX = 200_000

_END_OF_IMAGE = 0xD9
# What can begin a segment: in a scan, FF is followed by 00 (a stuffed byte) or a restart marker.
# Without `+`: of a run of FF only the last one can match, and each is read once.
_MARKER = re.compile(rb"\xff[^\x00\xff\xd0-\xd7]")


def content_type(head: bytes) -> str:
    """The media type by magic bytes, never by a header. Raises NotMedia."""
    if head.startswith(b"\xff\xd8\xff"):
        return "image/jpeg"
    if head.startswith(b"\x89PNG\r\n\x1a\n"):
        return "image/png"
    if head.startswith(b"RIFF") and head[8:12] == b"WEBP":
        return "image/webp"
    if head[4:8] == b"ftyp":
        return "video/mp4"
    raise NotMedia


def is_whole(path: Path, kind: str) -> bool:
    """Whether a file ends the way its format ends: all there is to tell a body without a length."""
    if path.stat().st_size < HEAD_BYTES:
        return False
    with path.open("rb") as file, mmap(file.fileno(), 0, access=ACCESS_READ) as data:
        return _ENDINGS[kind](data)


def _jpeg_ends(data: mmap) -> bool:
    """From marker to marker: a thumbnail or a comment can hold an end marker of its own."""
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
    """Search window by window: a pattern holds the GIL until it returns, and others must work."""
    while at < len(data):
        if found := _MARKER.search(data, at, at + WINDOW_BYTES):
            return found
        at += WINDOW_BYTES - 1  # its last byte may be the first of a marker
    return None


def _png_ends(data: mmap) -> bool:
    return data[-8:-4] == b"IEND"


def _webp_ends(data: mmap) -> bool:
    return int.from_bytes(data[4:8], "little") + 8 <= len(data)


def _mp4_ends(data: mmap) -> bool:
    """A chain of boxes to the very end, the samples and what they mean among them."""
    end, seen = 0, set()
    for box in islice(mp4_boxes.walk(data, 0, len(data)), BOXES_MAX):
        end = box.end
        seen.add(box.kind)
    return end == len(data) and b"mdat" in seen and not seen.isdisjoint({b"moov", b"moof"})


_ENDINGS: dict[str, Callable[[mmap], bool]] = {
    "image/jpeg": _jpeg_ends,
    "image/png": _png_ends,
    "image/webp": _webp_ends,
    "video/mp4": _mp4_ends,
}
