"""BFL's models: what its document does not say of them. Any other name is passed on."""

import re

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


def is_model(name: str) -> bool:
    """Whether a name is a path of safe segments; BFL decides whether the model exists."""
    return re.fullmatch(MODEL, name) is not None


def purpose(model: str) -> str:
    """The purpose of a model in words; empty where we do not know."""
    return next((text for prefix, text in PURPOSES.items() if model.startswith(prefix)), "")


def rank(model: str) -> tuple[int, str]:
    """Where a model stands in our order; those that we do not know stand last."""
    known = (n for n, prefix in enumerate(PURPOSES) if model.startswith(prefix))
    return next(known, len(PURPOSES)), model


def label(name: str) -> str:
    return LABELS.get(name) or name.replace("_", " ").capitalize()
