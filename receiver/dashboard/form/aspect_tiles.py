"""Tiles of aspect ratios, for models that take a width and a height or any ratio as a text.

BFL's document gives the bounds; sizes are near one megapixel, as BFL's own are.
"""

from collections.abc import Mapping
from math import sqrt

from jobs.bfl.model_schemas import InputField, Kind

FIELD = "aspect"  # of the form; where nothing is typed, it fills in the fields of BFL
RATIOS = ("1:1", "4:3", "3:2", "16:9", "21:9", "3:4", "2:3", "9:16")
AREA = 1024 * 1024
STEP = 16  # pixels, for models whose lengths have no step in BFL's document

Fields = Mapping[str, InputField]


def tile_values(fields: Fields) -> dict[str, str]:
    """The value of each ratio's tile: a size such as `1344x768`, or the ratio itself.

    Empty where BFL lists its own ratios.
    """
    ratio_field = fields.get("aspect_ratio")
    if ratio_field:
        takes_any_ratio = ratio_field.kind is Kind.TEXT and not ratio_field.choices
        if not takes_any_ratio:
            return {}
        return {ratio: ratio for ratio in RATIOS}
    if "width" not in fields or "height" not in fields:
        return {}
    return {ratio: _nearest_size(ratio, fields) for ratio in RATIOS}


def fill_in_tile(fields: Fields, form_texts: Mapping[str, str]) -> dict[str, str]:
    """The texts of a form with those of its tile; what was typed comes first."""
    texts = dict(form_texts)
    tile = texts.get(FIELD, "")
    if not tile:
        return texts
    width, _, height = tile.partition("x")
    if height:
        tile_texts = {"width": width, "height": height}
    else:
        tile_texts = {"aspect_ratio": tile}
    is_typed = any(texts.get(name) for name in tile_texts)
    is_taken_by_model = all(name in fields for name in tile_texts)
    if is_taken_by_model and not is_typed:
        texts.update(tile_texts)
    return texts


def chosen_tile(fields: Fields, form_texts: Mapping[str, str]) -> str:
    """The value of the tile that stands for the texts of a form; empty if none does."""
    width = form_texts.get("width", "")
    height = form_texts.get("height", "")
    if width or height:
        size = f"{width}x{height}"
    else:
        size = form_texts.get(FIELD, "")
    ratio = form_texts.get("aspect_ratio", "")
    for value in tile_values(fields).values():
        if value in (size, ratio):
            return value
    return ""


def _nearest_size(ratio: str, fields: Fields) -> str:
    """The size with this ratio, about `AREA` pixels, and lengths that BFL takes."""
    wide_text, _, high_text = ratio.partition(":")
    wide = int(wide_text)
    high = int(high_text)
    unit = sqrt(AREA / (wide * high))
    width = _nearest_length(wide * unit, fields["width"])
    height = _nearest_length(high * unit, fields["height"])
    return f"{width}x{height}"


def _nearest_length(length: float, field: InputField) -> int:
    step = field.bounds.get("multipleOf", STEP)
    in_steps = round(length / step) * step
    at_least = max(in_steps, field.bounds.get("minimum", 0))
    return round(min(at_least, field.bounds.get("maximum", AREA)))
