"""Places in lists as callers hold them: opaque, and checked when they come back."""

import base64
import json
import math

from jobs import bfl
from jobs.pages import Position


def cursor(place: Position) -> str:
    """A place in the list as base64url."""
    return base64.urlsafe_b64encode(json.dumps(place).encode()).decode().rstrip("=")


def place(text: str) -> Position:
    """Raises ValueError."""
    try:
        raw = base64.b64decode(text + "=" * (-len(text) % 4), b"-_", validate=True)
        at, job_id = json.loads(raw)
        if isinstance(at, float) and math.isfinite(at) and bfl.TASK_ID.fullmatch(job_id):
            return Position(at, job_id)
    except (ValueError, TypeError, RecursionError):
        pass
    raise ValueError("not one that this API gave out")
