"""MP4 (ISO/IEC 14496-12): boxes, frame size and duration from the headers.

No library fits: tinytag and mutagen give no frame size (and mutagen is under the GPL, as is
hachoir); pymp4 has had no release since 2023; pymediainfo and PyAV add 15 and 35 MB of C code that
would parse every format in our process.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from mmap import mmap

BOXES_MAX = 4096  # looked at for one answer, at all levels; a real film has some dozens

Data = bytes | mmap
_TO_THE_END, _LARGE = 0, 1  # special lengths of a box
_UNKNOWN = frozenset({0, 2**32 - 1, 2**64 - 1})


@dataclass(frozen=True, slots=True)
class Box:
    """A box: its kind (four letters) and the range of its content."""

    kind: bytes
    start: int
    end: int


@dataclass(slots=True)
class _Film:
    """The bytes of a film, and how many more boxes of it are looked at."""

    data: Data
    boxes_left: int = BOXES_MAX


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
    film = _Film(data)
    for movie in _children(film, _file_box(film), b"moov"):
        for track in _children(film, movie, b"trak"):
            if _handler(film, track) == b"vide":
                return _track_size(film, track)
    return None


def seconds(data: Data) -> float | None:
    """Duration by the movie header; None for a fragmented film whose header does not say."""
    film = _Film(data)
    movie = next(_children(film, _file_box(film), b"moov"), None)
    header = movie and next(_children(film, movie, b"mvhd"), None)
    if not movie or not header:
        return None
    dates = 16 if _version(film, header) == 1 else 8
    scale = _number(film, header, 4 + dates, 4)
    duration = _fragmented_duration(film, movie) or _duration(film, header, 8 + dates)
    return round(duration / scale, 3) if duration and scale else None


def _file_box(film: _Film) -> Box:
    return Box(b"", 0, len(film.data))


def _children(film: _Film, parent: Box, kind: bytes) -> Iterator[Box]:
    for box in boxes(film.data, parent.start, parent.end):
        film.boxes_left -= 1
        if film.boxes_left < 0:
            return
        if box.kind == kind:
            yield box


def _handler(film: _Film, track: Box) -> bytes:
    """The handler type of a track: `vide`, `soun` or another."""
    for media in _children(film, track, b"mdia"):
        for handler in _children(film, media, b"hdlr"):
            return _read(film, handler, 8, 4)
    return b""


def _track_size(film: _Film, track: Box) -> tuple[int, int] | None:
    for header in _children(film, track, b"tkhd"):
        at = 88 if _version(film, header) == 1 else 76
        width = _number(film, header, at, 4) >> 16  # 16.16 fixed point
        height = _number(film, header, at + 4, 4) >> 16
        return (width, height) if width and height else None
    return None


def _fragmented_duration(film: _Film, movie: Box) -> int | None:
    """The duration with all fragments; the movie header leaves them out."""
    for extends in _children(film, movie, b"mvex"):
        for header in _children(film, extends, b"mehd"):
            return _duration(film, header, 4)
    return None


def _duration(film: _Film, box: Box, at: int) -> int | None:
    """A duration of 64 bits (version 1) or 32; all bits set means unknown."""
    found = _number(film, box, at, 8 if _version(film, box) == 1 else 4)
    return None if found in _UNKNOWN else found


def _version(film: _Film, box: Box) -> int:
    return _number(film, box, 0, 1)


def _number(film: _Film, box: Box, at: int, length: int) -> int:
    return int.from_bytes(_read(film, box, at, length), "big")


def _read(film: _Film, box: Box, at: int, length: int) -> bytes:
    """A part of a box; empty when the box ends before it does."""
    start = box.start + at
    return film.data[start : start + length] if start + length <= box.end else b""
