"""Times as callers write them."""

import re
from datetime import datetime

UNIX = r"[0-9]{1,11}(\.[0-9]{1,9})?"
# A plus that nobody escaped comes out of a query as a space.
_RFC_3339 = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2})[Tt ]([0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]{1,9})?)"
    r"(?:([Zz])|([ +-])([0-9]{2}:[0-9]{2}))"
)


def read(text: str) -> float:
    """RFC 3339 or unix seconds as unix seconds. Raises ValueError."""
    if re.fullmatch(UNIX, text):
        return float(text)
    found = _RFC_3339.fullmatch(text)
    if found is None:
        raise ValueError("a time as 2026-01-31T12:00:00Z or in unix seconds")
    day, clock, zulu, sign, offset = found.groups()
    zone = "+00:00" if zulu else f"{sign.replace(' ', '+')}{offset}"
    try:
        return datetime.fromisoformat(f"{day}T{clock}{zone}").timestamp()
    except ValueError:
        raise ValueError("no such time") from None
