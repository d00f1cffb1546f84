"""Price class of an input: what BFL's price depends on, besides the model."""

import re
from collections.abc import Mapping
from math import ceil
from typing import Any, NamedTuple

UNITS_PER_CREDIT = 10_000  # integers do not drift
CREDITS_MAX = 1_000_000.0  # of one job: an absurd cost must not overflow the sum of a day
SIDE_DEFAULT = 1024
SIDE_MAX = 65_536
MEGAPIXEL = 2**20
MEDIA = "media"
_FACTORS = (
    "mode",
    "resolution",
    "duration",
    "draft",
    "generate_audio",
    "grounding",
    "upscale_factor",
)
_VALUE = re.compile(r"[A-Za-z0-9._:-]{1,16}", re.ASCII)
# A reference of a kept input (`jobs/kept_inputs.py`), or a URL that BFL fetches.
_MEDIA = re.compile(r"(input|json):[0-9]{1,2}|https?://.*|data:.*", re.DOTALL | re.IGNORECASE)


def units(credits: float) -> int:
    return round(max(-CREDITS_MAX, min(credits, CREDITS_MAX)) * UNITS_PER_CREDIT)


class Price(NamedTuple):
    """The last price, in credits; unless it `is_known` for this class, the dearest of the model."""

    credits: float | None = None
    is_known: bool = False


def price_class(values: Mapping[str, Any]) -> str:
    """The mode and size class of a kept input, as one text."""
    parts = []
    for name in _FACTORS:
        value = values.get(name)
        if isinstance(value, str | int | float) and _VALUE.fullmatch(str(value)):
            parts.append(f"{name}={value}")
    sides = [values.get(name) for name in ("width", "height")]
    given = [side for side in sides if isinstance(side, int) and 0 < side <= SIDE_MAX]
    if given:
        width, height = (*given, SIDE_DEFAULT)[:2]
        parts.append(f"{ceil(width * height / MEGAPIXEL)}mp")  # whole ones, as BFL bills them
    if has_media(values):
        parts.append(MEDIA)
    return " ".join(parts)


def has_media(values: Mapping[str, Any]) -> bool:
    """Whether it has images or videos, whose size the price may depend on."""
    return any(
        isinstance(value, list | dict) or (isinstance(value, str) and _MEDIA.fullmatch(value))
        for value in values.values()
    )
