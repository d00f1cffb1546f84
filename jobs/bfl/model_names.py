"""Facts about BFL's models that its document does not name. Any other model is passed on."""

import re
from collections.abc import Iterable
from difflib import get_close_matches

# A path of safe segments, none of which is dots alone.
_SEGMENT = r"\.*[A-Za-z0-9_-][A-Za-z0-9._-]*"
MODEL = f"{_SEGMENT}(/{_SEGMENT})*"

PREVIEW = "-preview"  # BFL changes these under their names; the others are pinned

# By prefix, most specific first, in the order in which models are offered.
PURPOSES = {
    "flux-2-pro": "for most work",
    "flux-2-max": "for the best quality",
    "flux-2-flex": "for typography, and control over steps and guidance",
    "flux-2-klein": "for volume and live previews",
    "flux-3-image-klein": "fast FLUX 3 with seed, exact size and steps",
    "flux-3-image": "the newest image model, up to 10 references and 4k",
    "flux-3-video": "videos of 5 to 20 s with sound",
    "flux-tools/video-edit": "changes a video of up to 15 s",
    "flux-tools/video-upscale": "enlarges a video of up to 20 s",
    "flux-tools/outpainting": "paints around an image",
    "flux-tools/erase": "removes what a mask covers",
    "flux-tools/deblur": "sharpens an image",
    "flux-tools/vto": "dresses a person in a garment",
    "flux-kontext": "older, edits images",
    "flux-pro-1.0-fill": "older, paints where a mask is white",
    "flux-pro-1.0-expand": "older, paints around an image",
    "flux-pro": "older",
    "flux-dev": "older",
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


# Models that BFL has withdrawn, and names that it never had, with what to use in their place.
SUCCESSORS = {
    "flux-pro": "flux-2-pro",
    "flux-pro-1.0": "flux-2-pro",
    "flux-pro-1.0-canny": "flux-2-pro",
    "flux-pro-1.0-depth": "flux-2-pro",
    "flux-pro-1.0-canny-finetuned": "flux-2-pro",
    "flux-pro-1.0-depth-finetuned": "flux-2-pro",
    "flux-pro-finetuned": "flux-pro-1.1-ultra-finetuned",
    "flux-schnell": "flux-2-klein-4b",
    "flux-kontext": "flux-kontext-pro",
    "flux-kontext-dev": "flux-kontext-pro",
    "flux-2": "flux-2-pro",
    "flux-2-dev": "flux-2-pro",
    "flux-2-klein": "flux-2-klein-9b",
    "flux-3": "flux-3-image",
}
# BFL's video endpoints share the slots of one: a limit of an account counts all of them.
VIDEO = "flux-3-video"
VIDEO_TOOLS = "flux-tools/video-"


def is_video(model: str) -> bool:
    return model.startswith((VIDEO, VIDEO_TOOLS))


def slot_model(model: str) -> str:
    """The model in whose slots a job of this one is counted."""
    return VIDEO if model.startswith(VIDEO_TOOLS) else model


def explain_unknown_model(model: str, known_models: Iterable[str]) -> str:
    """A sentence that names the model which an unknown one is probably meant to be."""
    successor = SUCCESSORS.get(model)
    if successor is not None:
        return f"BFL has no model {model} any more; use {successor}"
    nearest = get_close_matches(model, sorted(known_models), n=1, cutoff=0.0)
    if not nearest:
        return f"BFL has no model {model}"
    return f"BFL has no model {model}; the nearest is {nearest[0]}"


def is_model(name: str) -> bool:
    """Whether a name is a path of safe segments; BFL decides whether the model exists."""
    return re.fullmatch(MODEL, name) is not None


def purpose(model: str) -> str:
    """The purpose of a model in words; empty where we do not know."""
    for prefix, text in PURPOSES.items():
        if model.startswith(prefix):
            return text
    return ""


def rank(model: str) -> tuple[int, str]:
    """Where a model stands in our order; models without a purpose stand last."""
    for position, prefix in enumerate(PURPOSES):
        if model.startswith(prefix):
            return position, model
    return len(PURPOSES), model


def label(name: str) -> str:
    if name in LABELS:
        return LABELS[name]
    return name.replace("_", " ").capitalize()
