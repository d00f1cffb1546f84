"""Headers, path parameters and security schemes that operations share."""

from typing import Any

from jobs.bfl.parsing import AUTHENTICATION_HEADERS, TASK_ID
from jobs.config.concurrency import MODEL
from jobs.store.events import POSITION_FORM
from receiver.api.submissions import IDEMPOTENCY_KEY
from receiver.schemas.bodies import MODEL_MAX_CHARS
from receiver.schemas.formats import anchored

_TEXT = {"type": "string"}
_SECRET, _SIGNATURE = AUTHENTICATION_HEADERS

INTRODUCTION = """\
Fluxkeep stores the media of jobs at BFL's FLUX API. Times are RFC 3339 in UTC. Job ids are 1 to 128
of `A-Z a-z 0-9 _ -`.

Errors are problem details (RFC 9457); under `/v1` they have BFL's own shape. Besides the responses
of each operation, any path can answer 404, 405 with `Allow`, and 400 or 431 to a malformed request.
`GET` implies `HEAD`; `OPTIONS` lists the allowed methods.
"""

PATH: dict[str, dict[str, Any]] = {
    "job_id": {
        "description": "its own id or BFL's task id",
        "schema": {**_TEXT, "pattern": anchored(TASK_ID.pattern)},
    },
    "token": {"description": "signed by this installation", "schema": {**_TEXT, "minLength": 1}},
    "model": {
        "description": "a path at BFL; slashes need no escaping",
        "schema": {**_TEXT, "pattern": anchored(MODEL), "maxLength": MODEL_MAX_CHARS},
    },
}

REQUEST_HEADERS: dict[str, dict[str, Any]] = {
    "Idempotency-Key": {
        "description": "a repetition within a day returns the same job",
        "schema": {**_TEXT, "pattern": anchored(IDEMPOTENCY_KEY)},
        "example": "order-4711",
    },
    "Last-Event-ID": {
        "description": "the last event received; `0-0` starts at the first one",
        "schema": {**_TEXT, "pattern": f"^({POSITION_FORM})?$"},
    },
    "Range": {"schema": _TEXT, "example": "bytes=0-1023"},
    "If-None-Match": {"schema": _TEXT},
    "If-Range": {"schema": _TEXT},
}

RESPONSE_HEADERS: dict[str, dict[str, Any]] = {
    "Location": {
        "description": "address of the resource",
        "schema": {**_TEXT, "format": "uri-reference"},
    },
    "Retry-After": {"description": "in seconds", "schema": {"type": "integer", "minimum": 0}},
    "WWW-Authenticate": {"description": "how to send a key", "schema": _TEXT},
    "ETag": {"description": "changes with the bytes", "schema": _TEXT},
    "Accept-Ranges": {"schema": {**_TEXT, "const": "bytes"}},
    "Cache-Control": {"schema": _TEXT},
    "Content-Disposition": {"description": "a readable file name", "schema": _TEXT},
    "Content-Range": {"description": "the range sent, and the whole size", "schema": _TEXT},
}

# Sent with every answer to a valid key, unless `RATE_LIMITS` is off.
RATE_LIMIT_HEADERS: dict[str, dict[str, Any]] = {
    "RateLimit-Policy": {"description": "requests (q) per seconds (w)", "schema": _TEXT},
    "RateLimit": {"description": "requests left (r), reset after seconds (t)", "schema": _TEXT},
}
BEFORE_AUTHENTICATION = {"401", "414"}  # responses that no accepted key has preceded

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
    "description": "The URL is longer than 4094 characters.",
    "content": {"text/html": {"schema": {"type": "string"}}},
}
