"""Times as text: RFC 3339 in UTC, of unix seconds."""

from datetime import UTC, datetime
from functools import lru_cache

CACHED_MAX = 4096
_LAST_TIME = datetime(9999, 12, 31, tzinfo=UTC).timestamp()
_OFFSET_OF_UTC = "+00:00"


@lru_cache(maxsize=CACHED_MAX)  # a page of 50 jobs has 450 times, mostly those of the last page
def rfc3339(at: float) -> str:
    """RFC 3339 in UTC, to the millisecond."""
    text = utc(at).isoformat("T", "milliseconds")
    return text.removesuffix(_OFFSET_OF_UTC) + "Z"


def utc(at: float) -> datetime:
    """Unix time as a datetime in UTC; the nearest possible one if it is out of range."""
    # In this order NaN becomes 0.
    at_or_after_1970 = max(0.0, at)
    return datetime.fromtimestamp(min(at_or_after_1970, _LAST_TIME), UTC)
