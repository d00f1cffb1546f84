"""Content Credentials (C2PA) of a file: whether it carries a manifest. Nothing is verified.

Source: the C2PA specification, "Embedding manifests". It is a chunk `caBX` of PNG, JUMBF boxes in
segments APP11 of JPEG, a chunk `C2PA` of WebP, and a box `uuid` of MP4, AVIF and HEIC.
"""

from collections.abc import Callable
from itertools import islice
from mmap import ACCESS_READ, mmap
from pathlib import Path

from worker.formats import mp4

# A hundred times what real files have: bounds the time that a hostile file can take.
CHUNKS_MAX = 200_000
SEGMENTS_MAX = 1000

_PNG_SIGNATURE_BYTES = 8
_RIFF_HEADER_BYTES = 12
_APP11 = 0xEB
_START_OF_SCAN = 0xDA
_JUMBF_IN_JPEG = b"JP"  # the common identifier of ISO/IEC 19566-5
_C2PA_BOX = bytes.fromhex("d8fec3d61b0e483c92975828877ec481")


def are_present(path: Path, kind: str) -> bool | None:
    """Whether a file carries Content Credentials, by its structure in bounded time.

    None for a file of another kind, and for one that cannot be read.
    """
    search = _SEARCHES.get(kind)
    if search is None:
        return None
    try:
        with path.open("rb") as file, mmap(file.fileno(), 0, access=ACCESS_READ) as media:
            return search(media)
    except (OSError, ValueError):  # mmap raises ValueError for an empty file
        return None


def _in_png(media: mmap) -> bool:
    """Walk the chunks: length, kind, content and checksum."""
    at = _PNG_SIGNATURE_BYTES
    for _ in range(CHUNKS_MAX):
        kind = media[at + 4 : at + 8]
        if kind == b"caBX":
            return True
        if len(kind) < 4 or kind == b"IEND":
            return False
        at += 12 + int.from_bytes(media[at : at + 4], "big")
    return False


def _in_jpeg(media: mmap) -> bool:
    """Walk the segments before the picture itself."""
    at = 2  # after the start of the image
    for _ in range(SEGMENTS_MAX):
        marker = media[at : at + 2]
        if len(marker) < 2 or marker[0] != 0xFF or marker[1] == _START_OF_SCAN:
            return False
        if marker[1] == 0xFF:  # a fill byte
            at += 1
            continue
        length = int.from_bytes(media[at + 2 : at + 4], "big")
        if marker[1] == _APP11:
            content = media[at + 4 : at + 2 + length]
            if content.startswith(_JUMBF_IN_JPEG) and b"jumb" in content[:32]:
                return True
        if length < 2:
            return False
        at += 2 + length
    return False


def _in_webp(media: mmap) -> bool:
    """Walk the chunks: kind, length and content, which is padded to an even length."""
    at = _RIFF_HEADER_BYTES
    for _ in range(CHUNKS_MAX):
        kind = media[at : at + 4]
        if kind == b"C2PA":
            return True
        if len(kind) < 4:
            return False
        length = int.from_bytes(media[at + 4 : at + 8], "little")
        at += 8 + length + length % 2
    return False


def _in_boxes(media: mmap) -> bool:
    """Walk the boxes of the file, not those in them."""
    for box in islice(mp4.boxes(media, 0, len(media)), CHUNKS_MAX):
        uuid = media[box.start : box.start + len(_C2PA_BOX)]
        if box.kind == b"uuid" and uuid == _C2PA_BOX:
            return True
    return False


_SEARCHES: dict[str, Callable[[mmap], bool]] = {
    "image/png": _in_png,
    "image/jpeg": _in_jpeg,
    "image/webp": _in_webp,
    "image/avif": _in_boxes,
    "image/heic": _in_boxes,
    "image/heif": _in_boxes,
    "video/mp4": _in_boxes,
}
