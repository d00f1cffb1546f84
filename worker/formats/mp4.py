"""How long a film lasts and how large it is, by the headers of its boxes.

A reader of our own, because none of the libraries fits. tinytag and mutagen give no size (and
mutagen is under the GPL, as is hachoir); pymp4 has had no release since 2023; pymediainfo and PyAV
know it all, but bring 15 and 35 MB of C that would read every format there is, in our process.
"""

from collections.abc import Iterator
from itertools import islice
from mmap import mmap

from worker.formats import mp4_boxes
from worker.formats.mp4_boxes import Box

# In any one box. A film has a few; with a limit at each level the work is bounded however it lies.
BOXES_MAX = 256

Data = bytes | mmap
_UNKNOWN = frozenset({0, 2**32 - 1, 2**64 - 1})


def size(data: Data) -> tuple[int, int] | None:
    """Width and height of the first picture track, as shown, in whole pixels."""
    for movie in _each(data, _whole(data), b"moov"):
        for track in _each(data, movie, b"trak"):
            if _handler(data, track) == b"vide":
                return _track_size(data, track)
    return None


def seconds(data: Data) -> float | None:
    """Duration by the film's own header; None for a film that came in pieces and does not say."""
    movie = next(_each(data, _whole(data), b"moov"), None)
    header = movie and next(_each(data, movie, b"mvhd"), None)
    if not movie or not header:
        return None
    dates = 16 if _version(data, header) == 1 else 8
    scale = _number(data, header, 4 + dates, 4)
    duration = _fragmented(data, movie) or _long(data, header, 8 + dates)
    return round(duration / scale, 3) if duration and scale else None


def _whole(data: Data) -> Box:
    return Box(b"", 0, len(data))


def _each(data: Data, parent: Box, kind: bytes) -> Iterator[Box]:
    children = islice(mp4_boxes.walk(data, parent.start, parent.end), BOXES_MAX)
    return (box for box in children if box.kind == kind)


def _handler(data: Data, track: Box) -> bytes:
    """What a track is made of: `vide`, `soun` or something else."""
    for media in _each(data, track, b"mdia"):
        for handler in _each(data, media, b"hdlr"):
            return _read(data, handler, 8, 4)
    return b""


def _track_size(data: Data, track: Box) -> tuple[int, int] | None:
    for header in _each(data, track, b"tkhd"):
        at = 88 if _version(data, header) == 1 else 76
        width = _number(data, header, at, 4) >> 16  # 16.16 fixed point
        height = _number(data, header, at + 4, 4) >> 16
        return (width, height) if width and height else None
    return None


def _fragmented(data: Data, movie: Box) -> int | None:
    """The duration with all fragments; the film's header knows only what is not in them."""
    for extends in _each(data, movie, b"mvex"):
        for header in _each(data, extends, b"mehd"):
            return _long(data, header, 4)
    return None


def _long(data: Data, box: Box, at: int) -> int | None:
    """A duration: of 64 bits in version 1, of 32 in version 0, of all ones when it is not known."""
    found = _number(data, box, at, 8 if _version(data, box) == 1 else 4)
    return None if found in _UNKNOWN else found


def _version(data: Data, box: Box) -> int:
    return _number(data, box, 0, 1)


def _number(data: Data, box: Box, at: int, length: int) -> int:
    return int.from_bytes(_read(data, box, at, length), "big")


def _read(data: Data, box: Box, at: int, length: int) -> bytes:
    """Some bytes of a box; none when it ends before."""
    start = box.start + at
    return data[start : start + length] if start + length <= box.end else b""
