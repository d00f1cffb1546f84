"""Reads a Range header."""

import re
from dataclasses import dataclass

RANGE = re.compile(r"bytes=([0-9]*)-([0-9]*)", re.ASCII)


@dataclass(frozen=True)
class Span:
    """From `start` up to but not including `stop`."""

    start: int
    stop: int
    partial: bool


def read_range(header: str | None, size: int) -> Span | None:
    """The whole for a header that is missing or odd; None for one that cannot be satisfied."""
    match = RANGE.fullmatch(header or "")
    if match is None or match[0] == "bytes=-":
        return Span(0, size, partial=False)
    first, last = match.groups()
    if not first:
        return Span(max(0, size - int(last)), size, partial=True) if int(last) else None
    stop = min(size, int(last) + 1) if last else size
    return Span(int(first), stop, partial=True) if int(first) < stop else None
