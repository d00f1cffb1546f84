"""Tiles of aspect ratios, for models that take a width and a height or any ratio as a text.

BFL's document gives the bounds; sizes are near one megapixel, as BFL's own are.
"""

from collections.abc import Mapping
from math import sqrt

from jobs.bfl.model_schemas import InputField, Kind

FIELD = "aspect"  # of the form; where nothing is typed, it fills in the fields of BFL
RATIOS = ("1:1", "4:3", "3:2", "16:9", "21:9", "3:4", "2:3", "9:16")
AREA = 1024 * 1024
STEP = 16  # of BFL's models that name none

Fields = Mapping[str, InputField]


def tiles(fields: Fields) -> dict[str, str]:
    """Meaning of each ratio, `1344x768` or itself; empty where BFL lists its own ratios."""
    ratio = fields.get("aspect_ratio")
    if ratio:
        return {} if ratio.choices or ratio.kind is not Kind.TEXT else {one: one for one in RATIOS}
    if not {"width", "height"} <= fields.keys():
        return {}
    return {ratio: _size(ratio, fields) for ratio in RATIOS}


def fill(fields: Fields, given: Mapping[str, str]) -> dict[str, str]:
    """The texts of a form with those of its tile; what was typed comes first."""
    value = given.get(FIELD, "")
    width, _, height = value.partition("x")
    chosen = {"width": width, "height": height} if height else {"aspect_ratio": value}
    is_free = value and not any(given.get(name) for name in chosen)
    return {**given, **chosen} if is_free and chosen.keys() <= fields.keys() else {**given}


def chosen(fields: Fields, given: Mapping[str, str]) -> str:
    """The value of the tile that stands for what a form has; empty if none does."""
    size = f"{given.get('width', '')}x{given.get('height', '')}"
    found = {given.get("aspect_ratio"), size if size != "x" else given.get(FIELD)}
    return next((value for value in tiles(fields).values() if value in found), "")


def _size(ratio: str, fields: Fields) -> str:
    """The nearest lengths that BFL takes."""
    wide, high = map(int, ratio.split(":"))
    unit, lengths = sqrt(AREA / (wide * high)), []
    for name, side in (("width", wide * unit), ("height", high * unit)):
        bounds = fields[name].bounds
        step = bounds.get("multipleOf", STEP)
        least, most = bounds.get("minimum", 0), bounds.get("maximum", AREA)
        lengths.append(str(round(min(max(round(side / step) * step, least), most))))
    return "x".join(lengths)
