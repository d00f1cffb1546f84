"""Headers, path parameters and security schemes that operations share."""

from typing import Any

from jobs.bfl.model_names import MODEL
from jobs.bfl.parsing import AUTHENTICATION_HEADERS, TASK_ID
from jobs.job_validation import MODEL_MAX_CHARS
from jobs.store.change_stream import POSITION_FORM
from receiver.schemas.formats import IDEMPOTENCY_KEY, anchor

_SECRET, _SIGNATURE = AUTHENTICATION_HEADERS

INTRODUCTION = """\
Fluxkeep stores the media of jobs at BFL's FLUX API. Times are RFC 3339 in UTC. Job ids are 1 to 128
of `A-Z a-z 0-9 _ -`.

Errors are problem details (RFC 9457); `/docs/errors` lists their codes. Under `/v1` they have BFL's
own shape. Besides the responses of each operation, any path can answer 404, 405 with `Allow`, and
400 or 431 to a malformed request.
`GET` implies `HEAD`; `OPTIONS` lists the allowed methods.
"""


def _text(description: str = "", **schema: Any) -> dict[str, Any]:
    """A parameter or header that is a string."""
    described = {"description": description} if description else {}
    return {**described, "schema": {"type": "string", **schema}}


PATH = {
    "job_id": _text("its own id or BFL's task id", pattern=anchor(TASK_ID.pattern)),
    "batch_id": _text("as `Location` named it", minLength=1),
    "token": _text("signed by this installation", minLength=1),
    "model": _text(
        "a path at BFL; slashes need no escaping",
        pattern=anchor(MODEL),
        maxLength=MODEL_MAX_CHARS,
    ),
}
REQUEST_HEADERS = {
    "Idempotency-Key": {
        **_text("a repetition within a day returns the same job", pattern=anchor(IDEMPOTENCY_KEY)),
        "example": "order-4711",
    },
    "Last-Event-ID": _text(
        "the last event received; `0-0` starts at the first one", pattern=f"^({POSITION_FORM})?$"
    ),
    "Range": {**_text(), "example": "bytes=0-1023"},
    "If-None-Match": _text(),
    "If-Range": _text(),
}
SECURITY: dict[str, dict[str, Any]] = {
    "bearer": {
        "type": "http",
        "scheme": "bearer",
        "description": "One of `API_KEYS`. Scopes: `read`, `submit` (reads too), `admin` (all).",
    },
    "key": {
        "type": "apiKey",
        "in": "header",
        "name": "x-key",
        "description": "The same key, as BFL's clients send it.",
    },
    "webhookSecret": {
        "type": "apiKey",
        "in": "header",
        "name": _SECRET,
        "description": "The secret itself: one of `WEBHOOK_SECRET`, or the job's own.",
    },
    "webhookSignature": {
        "type": "apiKey",
        "in": "header",
        "name": _SIGNATURE,
        "description": "`sha256=` and the HMAC-SHA256 of the body with the secret, in hex.",
    },
}
KEYS = ("bearer", "key")
URI_TOO_LONG = {
    "description": "The URL is longer than 8190 characters.",
    "content": {"text/html": {"schema": {"type": "string"}}},
}
