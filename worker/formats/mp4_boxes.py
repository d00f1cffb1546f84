"""The boxes of an MP4 (ISO/IEC 14496-12), each with its length in front."""

from collections.abc import Iterator
from dataclasses import dataclass
from mmap import mmap

_TO_THE_END, _LARGE = 0, 1


@dataclass(frozen=True, slots=True)
class Box:
    """A kind of four letters, and where its content begins and ends."""

    kind: bytes
    start: int
    end: int


def walk(data: bytes | mmap, start: int, end: int) -> Iterator[Box]:
    """The boxes that lie side by side in a stretch, up to the first whose length cannot be."""
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
