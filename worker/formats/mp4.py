"""MP4 (ISO/IEC 14496-12): boxes, frame size and duration from the headers.

No library fits: tinytag and mutagen give no frame size (and mutagen is under the GPL, as is
hachoir); pymp4 has had no release since 2023; pymediainfo and PyAV add 15 and 35 MB of C code that
would parse every format in our process.
"""

from collections.abc import Iterator
from itertools import islice
from mmap import mmap
from typing import NamedTuple

BOXES_MAX = 64  # in each box; a real video has a few

MediaBytes = bytes | mmap
# Special lengths of a box.
_TO_THE_END = 0
_LARGE = 1  # the length follows in 64 bits
_UNKNOWN = frozenset({0, 2**32 - 1, 2**64 - 1})


class Box(NamedTuple):
    """A box: its kind (four letters) and the range of its content."""

    kind: bytes
    start: int
    end: int


def boxes(media: MediaBytes, start: int, end: int) -> Iterator[Box]:
    """Iterate over adjacent boxes, up to the first whose length is impossible."""
    while start + 8 <= end:
        length = int.from_bytes(media[start : start + 4], "big")
        header_bytes = 8
        if length == _TO_THE_END:
            length = end - start
        elif length == _LARGE:
            length = int.from_bytes(media[start + 8 : start + 16], "big")
            header_bytes = 16
        if length < header_bytes or start + length > end:
            return
        yield Box(media[start + 4 : start + 8], start + header_bytes, start + length)
        start += length


def size(media: MediaBytes) -> tuple[int, int] | None:
    """Display width and height of the first video track, in whole pixels."""
    movie = _find(media, None, b"moov")
    if movie is None:
        return None
    for track in _children(media, movie, b"trak"):
        handler = _find(media, track, b"mdia", b"hdlr")
        if handler and _read(media, handler, 8, 4) == b"vide":
            return _size_of_track(media, track)
    return None


def _size_of_track(media: MediaBytes, track: Box) -> tuple[int, int] | None:
    header = _find(media, track, b"tkhd")
    if header is None:
        return None
    offset = 76
    if _version(media, header) == 1:  # its dates have 64 bits
        offset = 88
    width = _number(media, header, offset, 4) >> 16  # 16.16 fixed point
    height = _number(media, header, offset + 4, 4) >> 16
    if width == 0 or height == 0:
        return None
    return width, height


def largest_image(media: MediaBytes) -> tuple[int, int] | None:
    """Width and height of the largest image of a HEIF file, such as AVIF: the others are tiles."""
    meta = _find(media, None, b"meta")
    if meta is None:
        return None
    # `meta` begins with a version, as no other box that has boxes does.
    content = Box(b"meta", meta.start + 4, meta.end)
    properties = _find(media, content, b"iprp", b"ipco")
    if properties is None:
        return None
    sizes = list[tuple[int, int]]()
    for extent in _children(media, properties, b"ispe"):
        width = _number(media, extent, 4, 4)
        height = _number(media, extent, 8, 4)
        sizes.append((width, height))
    return max(sizes, key=_area, default=None)


def _area(size: tuple[int, int]) -> int:
    width, height = size
    return width * height


def seconds(media: MediaBytes) -> float | None:
    """Duration by the movie header; None for a fragmented video whose header does not say."""
    header = _find(media, None, b"moov", b"mvhd")
    if not header:
        return None
    dates_bytes = 16 if _version(media, header) == 1 else 8
    units_per_second = _number(media, header, 4 + dates_bytes, 4)
    if units_per_second == 0:
        return None
    duration: int | None = None
    # With all fragments, which the movie header leaves out.
    extends = _find(media, None, b"moov", b"mvex", b"mehd")
    if extends:
        duration = _duration(media, extends, 4)
    if not duration:
        duration = _duration(media, header, 8 + dates_bytes)
    if not duration:
        return None
    return round(duration / units_per_second, 3)


def _children(media: MediaBytes, parent: Box, kind: bytes) -> Iterator[Box]:
    """The boxes of a kind, among the first in the parent."""
    for box in islice(boxes(media, parent.start, parent.end), BOXES_MAX):
        if box.kind == kind:
            yield box


def _find(media: MediaBytes, parent: Box | None, *kinds: bytes) -> Box | None:
    """The box at the end of a path, from the whole file if no parent is given.

    The first of each kind: of most there is one, and to search others would take long.
    """
    box = parent or Box(b"", 0, len(media))
    for kind in kinds:
        child = next(_children(media, box, kind), None)
        if child is None:
            return None
        box = child
    return box


def _duration(media: MediaBytes, box: Box, offset: int) -> int | None:
    """A duration of 64 bits (version 1) or 32; all bits set means unknown."""
    length = 8 if _version(media, box) == 1 else 4
    duration = _number(media, box, offset, length)
    return None if duration in _UNKNOWN else duration


def _version(media: MediaBytes, box: Box) -> int:
    return _number(media, box, 0, 1)


def _number(media: MediaBytes, box: Box, offset: int, length: int) -> int:
    return int.from_bytes(_read(media, box, offset, length), "big")


def _read(media: MediaBytes, box: Box, offset: int, length: int) -> bytes:
    """A part of a box; empty when the box ends before the part does."""
    start = box.start + offset
    end = start + length
    if end > box.end:
        return b""
    return media[start:end]
