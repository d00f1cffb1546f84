"""What bytes are, by their own word: the four formats BFL delivers, and whether they are whole."""

import re
from collections.abc import Callable
from mmap import ACCESS_READ, mmap
from pathlib import Path

from PIL import Image

from jobs.errors import NotMedia

HEAD_BYTES = 16
WEBP_MAX_BYTES = 16 * 2**20  # Pillow reads a WebP whole to learn its size

_END_OF_IMAGE = 0xD9
# What can begin a segment: in a scan, FF is followed by 00 (a stuffed byte) or a restart marker.
_MARKER = re.compile(rb"\xff+[^\x00\xff\xd0-\xd7]")


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
    while found := _MARKER.search(data, at):
        kind, at = data[found.end() - 1], found.end()
        if kind == _END_OF_IMAGE:
            return True
        at += int.from_bytes(data[at : at + 2], "big")
    return False


def _png_ends(data: mmap) -> bool:
    return data[-8:-4] == b"IEND"


def _webp_ends(data: mmap) -> bool:
    return int.from_bytes(data[4:8], "little") + 8 <= len(data)


def _mp4_ends(data: mmap) -> bool:
    """A chain of boxes, each with its length in front (ISO/IEC 14496-12), to the very end."""
    at, seen = 0, set()
    while at + 8 <= len(data):
        length = int.from_bytes(data[at : at + 4], "big")
        seen.add(data[at + 4 : at + 8])
        if length == 0:  # "to the end of the file"
            at = len(data)
        elif length == 1:
            at += max(int.from_bytes(data[at + 8 : at + 16], "big"), 16)
        elif length < 8:
            return False
        else:
            at += length
    return at == len(data) and b"mdat" in seen and not seen.isdisjoint({b"moov", b"moof"})


_ENDINGS: dict[str, Callable[[mmap], bool]] = {
    "image/jpeg": _jpeg_ends,
    "image/png": _png_ends,
    "image/webp": _webp_ends,
    "video/mp4": _mp4_ends,
}


def pixels(path: Path, kind: str) -> tuple[int | None, int | None]:
    """Width and height of an image from its header alone; unknown for what cannot be read."""
    if not kind.startswith("image/"):
        return None, None
    if kind == "image/webp" and path.stat().st_size > WEBP_MAX_BYTES:
        return None, None
    try:
        with Image.open(path, formats=("JPEG", "PNG", "WEBP")) as image:
            return image.size
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return None, None
