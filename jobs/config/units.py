"""Durations and sizes with units: `90s`, `15m`, `1h`, `7d`, `300MB`, `1GiB`.

A number without a unit stays what it is, and a text that is neither is left to the validator of its
setting, which says what is wrong.
"""

import re
from typing import Any

DAY_SECONDS = 86400
SECONDS = {"s": 1, "m": 60, "h": 3600, "d": DAY_SECONDS, "w": 7 * DAY_SECONDS}
BYTES = {
    "b": 1,
    "kb": 10**3,
    "mb": 10**6,
    "gb": 10**9,
    "tb": 10**12,
    "kib": 2**10,
    "mib": 2**20,
    "gib": 2**30,
    "tib": 2**40,
}

# ASCII digits: `\d` takes those of all alphabets.
_QUANTITY = re.compile(r"([0-9]{1,18}(?:\.[0-9]{1,9})?) ?([A-Za-z]{1,3})")


def seconds(value: Any) -> Any:
    """Seconds of a text like `1h`; anything else as it is."""
    return _in_units(value, SECONDS)


def whole_seconds(value: Any) -> Any:
    """Seconds of a text like `90s`, for a setting that takes whole ones."""
    return _whole(seconds(value))


def days(value: Any) -> Any:
    """Days of a text like `48h`; anything else as it is."""
    quantity = _in_units(value, SECONDS)
    if isinstance(quantity, float):
        return quantity / DAY_SECONDS
    return value


def size_bytes(value: Any) -> Any:
    """Bytes of a text like `300MB`; anything else as it is."""
    return _whole(_in_units(value, BYTES))


def _in_units(value: Any, units: dict[str, int]) -> Any:
    """A number of the smallest unit, or the value as it is where it names no unit."""
    if not isinstance(value, str):
        return value
    written = _QUANTITY.fullmatch(value.strip())
    if written is None:
        return value
    number, unit = written.groups()
    if unit.lower() not in units:
        return value
    return float(number) * units[unit.lower()]


def _whole(quantity: Any) -> Any:
    """An int in place of a float without a fraction, which a setting of ints takes."""
    if isinstance(quantity, float) and quantity.is_integer():
        return int(quantity)
    return quantity
