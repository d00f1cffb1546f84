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

Data = bytes | mmap
_TO_THE_END, _LARGE = 0, 1  # special lengths of a box
_UNKNOWN = frozenset({0, 2**32 - 1, 2**64 - 1})


class Box(NamedTuple):
    """A box: its kind (four letters) and the range of its content."""

    kind: bytes
    start: int
    end: int


def boxes(data: Data, start: int, end: int) -> Iterator[Box]:
    """Iterate over adjacent boxes, up to the first whose length is impossible."""
    while start + 8 <= end:
        length, header = int.from_bytes(data[start : start + 4], "big"), 8
        if length == _TO_THE_END:
            length = end - start
        elif length == _LARGE:
            length, header = int.from_bytes(data[start + 8 : start + 16], "big"), 16
        if length < header or start + length > end:
            return
        yield Box(data[start + 4 : start + 8], start + header, start + length)
        start += length


def size(data: Data) -> tuple[int, int] | None:
    """Display width and height of the first video track, in whole pixels."""
    movie = _find(data, None, b"moov")
    for track in _children(data, movie, b"trak") if movie else ():
        handler = _find(data, track, b"mdia", b"hdlr")
        if handler and _read(data, handler, 8, 4) == b"vide":
            header = _find(data, track, b"tkhd")
            if header is None:
                return None
            at = 88 if _version(data, header) == 1 else 76
            width = _number(data, header, at, 4) >> 16  # 16.16 fixed point
            height = _number(data, header, at + 4, 4) >> 16
            return (width, height) if width and height else None
    return None


def largest_image(data: Data) -> tuple[int, int] | None:
    """Width and height of the largest image of a HEIF file, such as AVIF: the others are tiles."""
    meta = _find(data, None, b"meta")
    if meta is None:
        return None
    # `meta` begins with a version, as no other box that has boxes does.
    content = Box(b"meta", meta.start + 4, meta.end)
    properties = _find(data, content, b"iprp", b"ipco")
    if properties is None:
        return None
    sizes = [
        (_number(data, extent, 4, 4), _number(data, extent, 8, 4))
        for extent in _children(data, properties, b"ispe")
    ]
    return max(sizes, key=_area, default=None)


def _area(size: tuple[int, int]) -> int:
    width, height = size
    return width * height


def seconds(data: Data) -> float | None:
    """Duration by the movie header; None for a fragmented video whose header does not say."""
    header = _find(data, None, b"moov", b"mvhd")
    if not header:
        return None
    dates = 16 if _version(data, header) == 1 else 8
    scale = _number(data, header, 4 + dates, 4)
    # With all fragments, which the movie header leaves out.
    extends = _find(data, None, b"moov", b"mvex", b"mehd")
    duration = _duration(data, extends, 4) if extends else None
    duration = duration or _duration(data, header, 8 + dates)
    return round(duration / scale, 3) if duration and scale else None


def _children(data: Data, parent: Box, kind: bytes) -> Iterator[Box]:
    found = islice(boxes(data, parent.start, parent.end), BOXES_MAX)
    return (box for box in found if box.kind == kind)


def _find(data: Data, parent: Box | None, *kinds: bytes) -> Box | None:
    """The box at the end of a path, from the whole file if no parent is given.

    The first of each kind: of most there is one, and to search others would take long.
    """
    found: Box | None = parent or Box(b"", 0, len(data))
    for kind in kinds:
        found = next(_children(data, found, kind), None) if found else None
    return found


def _duration(data: Data, box: Box, at: int) -> int | None:
    """A duration of 64 bits (version 1) or 32; all bits set means unknown."""
    found = _number(data, box, at, 8 if _version(data, box) == 1 else 4)
    return None if found in _UNKNOWN else found


def _version(data: Data, box: Box) -> int:
    return _number(data, box, 0, 1)


def _number(data: Data, box: Box, at: int, length: int) -> int:
    return int.from_bytes(_read(data, box, at, length), "big")


def _read(data: Data, box: Box, at: int, length: int) -> bytes:
    """A part of a box; empty when the box ends before it does."""
    start = box.start + at
    return data[start : start + length] if start + length <= box.end else b""
