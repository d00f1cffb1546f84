"""BFL's models: form of a name, and what BFL's document does not say of them.

The list of models grows: any other name is passed on, and gets the usual duration.
"""

import re
from typing import NamedTuple

# A path of safe segments, none of which is dots alone.
_SEGMENT = r"\.*[A-Za-z0-9_-][A-Za-z0-9._-]*"
MODEL = f"{_SEGMENT}(/{_SEGMENT})*"

GRACE_FACTOR = 6  # long enough that a job with a callback is rarely polled
GRACE_MIN_SECONDS = 10.0


class About(NamedTuple):
    """What a model is for, and how many seconds it usually takes."""

    purpose: str
    seconds: float = 10.0


OTHER = About("")
PREVIEW = "-preview"  # BFL changes these under their names; the others are pinned

# By prefix, most specific first, in the order in which they are offered; from BFL's docs and
# recorded traffic.
ABOUT = {
    "flux-2-pro": About("for most work"),
    "flux-2-max": About("for the best quality", 20.0),
    "flux-2-flex": About("for typography, and control over steps and guidance", 15.0),
    "flux-2-klein": About("for volume and live previews", 1.0),
    "flux-3-image": About("the newest image model, up to 10 references and 4k", 60.0),
    "flux-3-video": About("videos of 5 to 20 s with sound", 300.0),
    "flux-tools/video-edit": About("changes a video of up to 15 s", 300.0),
    "flux-tools/video-upscale": About("enlarges a video of up to 20 s", 300.0),
    "flux-tools/outpainting": About("paints around an image"),
    "flux-tools/erase": About("removes what a mask covers"),
    "flux-tools/deblur": About("sharpens an image"),
    "flux-tools/vto": About("dresses a person in a garment"),
    "flux-kontext": About("older, edits images"),
    "flux-pro-1.0-fill": About("older, paints where a mask is white"),
    "flux-pro-1.0-expand": About("older, paints around an image"),
    "flux-pro": About("older"),
    "flux-dev": About("older", 2.5),
}
DEFAULT = "flux-2-pro"

# What a field or a mode is called where its name does not tell.
LABELS = {
    "t2v": "Video from text",
    "i2v": "Video from keyframes",
    "v2v": "Continue a video",
    "draft_enhance": "Finish a draft",
    "input_image": "Images",
    "start_video": "Video to continue",
    "video": "Video to edit",
    "input_video": "Video to upscale",
    "draft_cache": "Draft",
    "disable_pup": "Use the prompt as written",
}


def is_model(name: str) -> bool:
    """Whether a name is a path of safe segments; BFL decides whether the model exists."""
    return re.fullmatch(MODEL, name) is not None


def about(model: str | None) -> About:
    known = (found for prefix, found in ABOUT.items() if model and model.startswith(prefix))
    return next(known, OTHER)


def callback_grace(model: str | None) -> float:
    """Return the seconds to wait for a callback before the first poll."""
    return max(about(model).seconds * GRACE_FACTOR, GRACE_MIN_SECONDS)


def rank(model: str) -> tuple[int, str]:
    """Where a model stands in our order; those that we do not know stand last."""
    known = (n for n, prefix in enumerate(ABOUT) if model.startswith(prefix))
    return next(known, len(ABOUT)), model


def label(name: str) -> str:
    """A name of BFL's for people."""
    return LABELS.get(name) or name.replace("_", " ").capitalize()
