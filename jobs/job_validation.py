"""Limits of a caller's model, metadata and input: they hold at every door, restores included."""

import json
from collections.abc import Mapping
from typing import Any

from jobs import kept_inputs
from jobs.bfl import model_names
from jobs.bfl.submissions import without_webhook
from jobs.domain.errors import BadRequest, ForeignObject, Invalid
from jobs.domain.job import Job

MODEL_MAX_CHARS = 200
METADATA_MAX_CHARS = 8192
KEY_NAME_MAX_CHARS = 1000


def require_model(value: str) -> str:
    """Raises ValueError."""
    if len(value) > MODEL_MAX_CHARS or not model_names.is_model(value):
        raise ValueError("give a path of A-Z a-z 0-9 . _ - segments, as in flux-tools/vto-v2")
    return value


def require_metadata(value: Mapping[str, Any]) -> Mapping[str, Any]:
    """Raises ValueError."""
    if len(json.dumps(value)) > METADATA_MAX_CHARS:
        raise ValueError(f"give at most {METADATA_MAX_CHARS} characters of JSON")
    return value


def require_legal_record(job: Job, max_input_bytes: int) -> None:
    """Raises ForeignObject for a record that no request can have made."""
    key_name = job.request.key or ""
    if ":" in key_name or len(key_name) > KEY_NAME_MAX_CHARS:
        raise ForeignObject("its key has no name that API_KEYS can have")
    kept_input = job.request.kept_input or {}
    files = job.request.input_files
    try:
        require_model(job.model or "unknown")
        require_metadata(job.metadata)
        values = kept_inputs.with_parts(kept_input, files)
        kept_inputs.require_limits(values, max_input_bytes)
    except (ValueError, BadRequest) as error:
        reason = str(error)
        if isinstance(error, Invalid):
            reason = error.errors[0]["message"]
        raise ForeignObject(f"it is beyond the limits of a request: {reason}") from None
    if len(files) > kept_inputs.FILES_MAX or without_webhook(kept_input) != kept_input:
        raise ForeignObject("its input is none that Fluxkeep keeps")
