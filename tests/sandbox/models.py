"""Fields of BFL's strict models, which refuse any other field with 422."""

from collections.abc import Mapping
from typing import Any

DRAFT_ENHANCE = "draft_enhance"
NON_GENERATION_PATHS = ("finetune", "delete_finetune")

_IMAGE = frozenset(
    {"prompt", "images", "aspect_ratio", "resolution", "safety_tolerance", "grounding", "version"}
)
_VIDEO = frozenset(
    {"prompt", "seed", "safety_tolerance", "output_format", "mode", "resolution", "aspect_ratio"}
    | {"duration", "draft", "batch", "user", "image", "images", "input_image", "video"}
)
_ENHANCE = frozenset({"mode", "draft_cache", "user"})
_VIDEO_EDIT = frozenset({"prompt", "video", "user"})


def fields_of(model: str, body: Mapping[str, Any]) -> frozenset[str]:
    """The fields that a strict model takes; empty for a model that ignores unknown ones."""
    if model.startswith("flux-3-image"):
        return _IMAGE
    if model.startswith("flux-3-video"):
        return _ENHANCE if body.get("mode") == DRAFT_ENHANCE else _VIDEO
    return _VIDEO_EDIT if model == "flux-tools/video-edit-v1" else frozenset()
