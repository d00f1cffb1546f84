"""Outgoing requests when a job has ended, as webhooks and as callbacks of operations."""

from jobs.bfl import compat
from jobs.bfl.parsing import AUTHENTICATION_HEADERS
from jobs.views import Notification
from receiver.openapi import examples
from receiver.openapi.schemas import Schema, Schemas
from receiver.schemas.endpoint import JSON, Tag

_STANDARD_WEBHOOKS = (
    "Signed by the Standard Webhooks specification. Any answer but 2xx within 15 s is retried "
    "for a day; 410 ends the retries. A notification may arrive twice."
)
_STANDARD_WEBHOOKS_HEADERS = {
    "webhook-id": "the same for every attempt",
    "webhook-timestamp": "time of this attempt in unix seconds",
    "webhook-signature": "`v1,` and a signature for each of `NOTIFY_SECRET`, separated by spaces",
}
_BFL_HEADERS = {
    AUTHENTICATION_HEADERS[0]: "the `webhook_secret` itself, if one was given",
    AUTHENTICATION_HEADERS[1]: "`sha256=` and the HMAC-SHA256 of the body with it",
}


def notifications(schemas: Schemas) -> Schema:
    """Requests to `NOTIFY_URL` and to a `notify_url`."""
    content = {"schema": schemas.of(Notification), "example": examples.NOTIFICATION}
    post = _post("A job has ended", _STANDARD_WEBHOOKS, _STANDARD_WEBHOOKS_HEADERS, content)
    return {"jobEnded": post}


def callbacks(field: str, schemas: Schemas) -> Schema:
    """Callbacks of an operation whose body names the receiver in this field."""
    posts = notifications(schemas) if field == "notify_url" else _bfl_callbacks(schemas)
    return {name: {f"{{$request.body#/{field}}}": post} for name, post in posts.items()}


def _bfl_callbacks(schemas: Schemas) -> Schema:
    description = "A callback as BFL sends it, retried after 1, 5 and 30 s as BFL does."
    content = {"schema": schemas.of(compat.BflTask), "example": examples.BFL_TASK}
    return {"jobEnded": _post("A task has ended", description, _BFL_HEADERS, content)}


def _post(summary: str, description: str, headers: dict[str, str], content: Schema) -> Schema:
    operation = {
        "summary": summary,
        "description": description,
        "tags": [Tag.CALLBACKS],
        "security": [],
        "parameters": [
            {"name": name, "in": "header", "description": text, "schema": {"type": "string"}}
            for name, text in headers.items()
        ],
        "requestBody": {"required": True, "content": {JSON: content}},
        "responses": {
            "2XX": {"description": "Received."},
            "410": {"description": "Do not send this notification again."},
        },
    }
    return {"post": operation}
