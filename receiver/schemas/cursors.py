"""Places in lists as callers hold them: opaque, and checked when they come back."""

import re
import struct

from jobs.store.listing import Position

# The time as a double, byte by byte: what begins with a 7 is no number, or larger than any time.
PATTERN = r"[0-6][0-9a-f]{15}[A-Za-z0-9_-]{1,128}"

_TIME_DIGITS = 16
_PLACE = re.compile(PATTERN)
_DOUBLE = struct.Struct(">d")


def cursor(place: Position) -> str:
    """A place in the list as letters and digits."""
    return _DOUBLE.pack(place.created_at).hex() + place.id


def place(text: str) -> Position:
    """Raises ValueError."""
    if not _PLACE.fullmatch(text):
        raise ValueError("not one that this API gave out")
    (at,) = _DOUBLE.unpack(bytes.fromhex(text[:_TIME_DIGITS]))
    return Position(at, text[_TIME_DIGITS:])
