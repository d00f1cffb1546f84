"""Fields of BFL's strict models, which refuse any other field with 422."""

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict, create_model

DRAFT_ENHANCE = "draft_enhance"
NON_GENERATION_PATHS = ("finetune", "delete_finetune")


def _strict(*names: str) -> type[BaseModel]:
    optional: Any = dict.fromkeys(names, (Any, None))
    return create_model("Strict", __config__=ConfigDict(extra="forbid"), **optional)


_LENIENT = create_model("Lenient")
_IMAGE = _strict(
    *("prompt", "images", "aspect_ratio", "resolution", "safety_tolerance", "grounding", "version")
)
_VIDEO = _strict(
    *("prompt", "seed", "safety_tolerance", "output_format", "mode", "resolution", "aspect_ratio"),
    *("duration", "draft", "batch", "user", "image", "images", "input_image", "video"),
)
_ENHANCE = _strict("mode", "draft_cache", "user")
_VIDEO_EDIT = _strict("prompt", "video", "user")


def accepted_fields(model: str, body: Mapping[str, Any]) -> type[BaseModel]:
    """The fields that a model takes; one that is not strict takes any."""
    if model.startswith("flux-3-image"):
        return _IMAGE
    if model.startswith("flux-3-video"):
        return _ENHANCE if body.get("mode") == DRAFT_ENHANCE else _VIDEO
    return _VIDEO_EDIT if model == "flux-tools/video-edit-v1" else _LENIENT
