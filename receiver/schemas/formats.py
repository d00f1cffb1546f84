"""Text formats of parameters: times, list cursors, and patterns for JSON Schema."""

import re
import struct
from contextlib import suppress
from datetime import datetime
from typing import Any, cast

from pydantic import Field
from pydantic.fields import FieldInfo

from jobs.store.listing import Position

UNIX_TIME = r"[0-9]{1,11}(\.[0-9]{1,9})?"
# The creation time as a big-endian double in hex: a first digit above 6 is no time.
CURSOR = r"[0-6][0-9a-f]{15}[A-Za-z0-9_-]{1,128}"
DAY = r"[0-9]{4}-[0-9]{2}-[0-9]{2}"
IDEMPOTENCY_KEY = r"[\x21-\x7e]{1,255}"
ID_HINT = "give 1 to 128 of A-Z a-z 0-9 _ -"

# `fromisoformat` accepts more. A plus that was not escaped arrives in a query as a space.
_RFC_3339 = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ][0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]{1,9})?)"
    r"([Zz]|[ +-][0-9]{2}:[0-9]{2})"
)
_CURSOR_TIME_DIGITS = 16
_DOUBLE = struct.Struct(">d")

# URLs as `jobs.net.urls.parse` accepts them: no segment that a parser could read as dots.
_PORT = "(:([1-9][0-9]{0,3}|[1-5][0-9]{4}|6[0-4][0-9]{3}|65[0-4][0-9]{2}|655[0-2][0-9]|6553[0-5]))?"
_UNESCAPED = r"A-Za-z0-9_~!$&'()*+,;=:@-"
_ESCAPED = "%([013-9A-Fa-f][0-9A-Fa-f]|2[0-9A-DFa-df])"
_PATH = rf"(/(\.*([{_UNESCAPED}]|{_ESCAPED})([.{_UNESCAPED}]|{_ESCAPED})*)?)*"
_QUERY = rf"(\?[.%/?{_UNESCAPED}]*)?"
_HOST = r"([a-z0-9.-]{1,253}|\[[0-9a-f:.]{2,45}\])"
PUBLIC_URL = f"https://{_HOST}{_PORT}{_PATH}{_QUERY}"
POLLING_URL = rf"https://(api|gateway)(\.[a-z0-9-]{{1,63}})*\.bfl\.ai(:443)?/v1/get_result{_QUERY}"


def parse_time(text: str) -> float:
    """Parse RFC 3339, a day in UTC, or unix seconds to unix seconds. Raises ValueError."""
    if re.fullmatch(DAY, text):
        text += "T00:00:00Z"
    if re.fullmatch(UNIX_TIME, text):
        return float(text)
    match = _RFC_3339.fullmatch(text)
    if match:
        moment, sent_offset = match.groups()
        offset = sent_offset.upper().replace(" ", "+")
        with suppress(ValueError):
            return datetime.fromisoformat(moment + offset).timestamp()
    raise ValueError("give a time as 2026-01-31T12:00:00Z, a day as 2026-01-31, or unix seconds")


def format_cursor(position: Position) -> str:
    """Format a position in the list of jobs as an opaque cursor of letters and digits."""
    return _DOUBLE.pack(position.created_at).hex() + position.id


def parse_cursor(text: str) -> Position:
    """Parse a cursor to a position in the list of jobs. Raises ValueError."""
    if not re.fullmatch(CURSOR, text):
        raise ValueError("give the `next_cursor` of a page as it is")
    (created_at,) = _DOUBLE.unpack(bytes.fromhex(text[:_CURSOR_TIME_DIGITS]))
    return Position(created_at, text[_CURSOR_TIME_DIGITS:])


def json_schema(**extra: Any) -> FieldInfo:
    """Add to the JSON Schema of a field what pydantic cannot derive from its type."""
    return cast(FieldInfo, Field(json_schema_extra=extra))


def documented_pattern(pattern: str) -> FieldInfo:
    """Document the pattern of a field that the server checks otherwise, and maybe more strictly."""
    return json_schema(pattern=anchor(pattern))


def anchor(pattern: str) -> str:
    """Anchor a pattern: JSON Schema searches for it anywhere in the text."""
    has_alternatives = "|" in pattern
    if has_alternatives:
        return f"^(?:{pattern})$"
    return f"^{pattern}$"
