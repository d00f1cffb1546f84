"""BFL's models: form of a name, fields for forms. The list grows: BFL decides what exists."""

import re
from collections.abc import Collection, Sequence
from functools import partial
from typing import Any, Literal, NamedTuple

# A path of safe segments, none of which is dots alone.
_SEGMENT = r"\.*[A-Za-z0-9_-][A-Za-z0-9._-]*"
MODEL = f"{_SEGMENT}(/{_SEGMENT})*"


def is_model(name: str) -> bool:
    """Whether a name is a path of safe segments; BFL decides whether the model exists."""
    return re.fullmatch(MODEL, name) is not None


# Fields by model, for forms and help only: a field that is not listed may be sent all the same.

RATIOS = ("1:1", "16:9", "3:2", "4:3", "21:9", "9:16", "2:3", "3:4", "9:21")


class InputField(NamedTuple):
    """A field of a model's input; texts of the range and default are for people."""

    name: str
    range: str = ""
    default: str = ""
    choices: tuple[str, ...] = ()
    kind: Literal["integer", "number", "choice", "flag", "text", "draft"] = "text"


class InputForm(NamedTuple):
    """The fields that a model takes besides its prompt, and those for its images in order."""

    fields: tuple[InputField, ...]
    images: tuple[str, ...] = ()
    advice: str = ""
    medium: Literal["image", "video"] = "image"  # of the files that go into `images`


_integer = partial(InputField, kind="integer")
_number = partial(InputField, kind="number")
_flag = partial(InputField, kind="flag", default="no")
_choice = partial(InputField, kind="choice")


def _references(most: int) -> tuple[str, ...]:
    return ("input_image", *(f"input_image_{n}" for n in range(2, most + 1)))


_RATIO = _choice("aspect_ratio", choices=RATIOS)
_SEED = _integer("seed", default="random")
_SIZE = (
    _integer("width", "64 or more", "as the input"),
    _integer("height", "64 or more", "as the input"),
)
_OLD_SIZE = (
    _integer("width", "256 to 1440, in steps of 32", "1024"),
    _integer("height", "256 to 1440, in steps of 32", "768"),
)
_FORMAT = _choice("output_format", default="jpeg", choices=("jpeg", "png", "webp"))
_SAFETY_5, _SAFETY_6 = (_integer("safety_tolerance", f"0 strict to {most}", "2") for most in (5, 6))
_UPSAMPLING = _flag("prompt_upsampling")
_NEW = (_SEED, _FORMAT, _SAFETY_5)
_OLD = (_SEED, _FORMAT, _SAFETY_6, _UPSAMPLING)
_EDITING = (_integer("steps", "15 to 50", "50"), _number("guidance", "1.5 to 100", "60"))
_MARGINS = tuple(_integer(side, "0 to 2048", "0") for side in ("top", "bottom", "left", "right"))

# By prefix, most specific first; from BFL's OpenAPI of 2026-05 and later texts for FLUX 3.
_FORMS = {
    "flux-2-flex": InputForm(
        (
            *_SIZE,
            _flag("prompt_upsampling", default="yes"),
            _integer("steps", "1 to 50", "50"),
            _number("guidance", "1.5 to 10", "5"),
            *_NEW,
        ),
        _references(8),
        "for typography and control",
    ),
    "flux-2-klein": InputForm((*_SIZE, *_NEW), _references(4), "for volume: below a second"),
    "flux-2-max": InputForm((*_SIZE, *_NEW), _references(8), "for the best quality"),
    "flux-2": InputForm((*_SIZE, *_NEW), _references(8), "for most work"),
    "flux-kontext": InputForm((_RATIO, *_OLD), _references(4), "deprecated by BFL"),
    "flux-pro-1.1-ultra": InputForm(
        (_RATIO, _flag("raw"), _number("image_prompt_strength", "0 to 1", "0.1"), *_OLD),
        ("image_prompt",),
    ),
    "flux-pro-1.0-fill": InputForm((*_EDITING, *_OLD), ("image", "mask")),
    "flux-pro-1.0-expand": InputForm((*_MARGINS, *_EDITING, *_OLD), ("image",)),
    "flux-pro": InputForm((*_OLD_SIZE, *_OLD), ("image_prompt",)),
    "flux-dev": InputForm(
        (
            *_OLD_SIZE,
            _integer("steps", "1 to 50", "28"),
            _number("guidance", "1.5 to 5", "3"),
            *_OLD,
        ),
        ("image_prompt",),
    ),
    "flux-3-image": InputForm(
        (
            _RATIO,
            _choice("resolution", choices=("768sq", "1k", "1.5k", "2k", "4k")),
            _flag("grounding"),
            _SAFETY_5,
        ),
        ("images",) * 10,
    ),
    "flux-3-video": InputForm(
        (
            _choice("mode", choices=("t2v", "i2v", "v2v", "draft_enhance")),
            _RATIO,
            _choice("resolution", choices=("hd", "fhd", "qhd", "uhd")),
            _integer("duration", "5 to 20 s"),
            _flag("draft"),
            _integer("batch", "1 to 4", "1"),
            _SEED,
            InputField("draft_cache", "id of the draft's job, to enhance it", kind="draft"),
        ),
        ("input_image",),
        "minutes; a draft can be enhanced later",
    ),
    "flux-tools/video-edit": InputForm((), ("video",), medium="video"),
}
_FINETUNED = (
    InputField("finetune_id"),
    _number("finetune_strength", "0 to 2", "1.1 or 1.2"),
)
_UNKNOWN = InputForm((*_SIZE, _RATIO, *_NEW), _references(8))
_ALL = (*(field for form in _FORMS.values() for field in form.fields), *_FINETUNED)
KINDS = {field.name: field.kind for field in _ALL}
FIELD_NAMES = tuple(KINDS)

# Suggestions; any other model may be typed, and BFL decides.
NAMES = (
    *("flux-2-pro", "flux-2-max", "flux-2-flex", "flux-2-klein-9b", "flux-2-klein-4b"),
    *("flux-2-pro-preview", "flux-2-klein-9b-preview", "flux-3-image", "flux-3-video"),
    *("flux-pro-1.1-ultra", "flux-pro-1.1", "flux-dev", "flux-kontext-max", "flux-kontext-pro"),
    *("flux-pro-1.0-fill", "flux-pro-1.0-expand"),
)


def input_form(model: str) -> InputForm:
    """The fields to offer for a model, also for one that is not known."""
    found = (form for prefix, form in _FORMS.items() if model.startswith(prefix))
    form = next(found, _UNKNOWN)
    is_finetuned = model.endswith("-finetuned")
    return form._replace(fields=_FINETUNED + form.fields) if is_finetuned else form


def has_seed(model: str | None) -> bool:
    return _SEED in input_form(model or "").fields


def place_images(model: str, images: Sequence[Any], taken: Collection[str]) -> dict[str, Any]:
    """Images in the fields of a model, in order; more than it takes go into fields of FLUX.2."""
    names = input_form(model).images
    if names[:1] == ("images",):
        return {"images": list(images)} if images else {}
    more = _references(len(images) + len(names) + len(taken))
    order = [name for name in dict.fromkeys((*names, *more)) if name not in taken]
    return dict(zip(order, images, strict=False))
