"""Outgoing requests when a job has ended, as webhooks and as callbacks of operations."""

from typing import Any

from jobs import view_types
from jobs.bfl import compat
from jobs.bfl.parsing import AUTHENTICATION_HEADERS
from receiver.openapi import examples
from receiver.openapi.schemas import Schema, Schemas
from receiver.schemas.endpoint import JSON, Tag

_STANDARD = {
    "webhook-id": "the same for every try",
    "webhook-timestamp": "when this try was sent, in unix seconds",
    "webhook-signature": "`v1,` and a signature for each of `NOTIFY_SECRET`, separated by spaces",
}
_BFL = {
    AUTHENTICATION_HEADERS[0]: "the `webhook_secret` itself, if one was given",
    AUTHENTICATION_HEADERS[1]: "`sha256=` and the HMAC-SHA256 of the body by it",
}


def notifications(schemas: Schemas) -> Schema:
    """The requests to `NOTIFY_URL` and to a `notify_url`."""
    return {"jobEnded": _notification(schemas)}


def callbacks(field: str, schemas: Schemas) -> Schema:
    """The callbacks of an operation whose body names the receiver in this field."""
    build = _notification if field == "notify_url" else _as_bfl
    return {"jobEnded": {f"{{$request.body#/{field}}}": build(schemas)}}


def _notification(schemas: Schemas) -> Schema:
    prose = (
        "Signed as Standard Webhooks says. Anything but 2xx within 15 s is tried again for a day; "
        "410 ends it. It may come twice."
    )
    body = {
        "schema": schemas.of_response(view_types.Notification),
        "example": examples.notification(),
    }
    return _post("A job has ended", prose, _STANDARD, body)


def _as_bfl(schemas: Schemas) -> Schema:
    prose = "As BFL calls, and after its pauses of 1, 5 and 30 s if that fails."
    body = {"schema": schemas.of_response(compat.BflTask), "example": examples.finished()}
    return _post("A task has ended", prose, _BFL, body)


def _post(summary: str, prose: str, headers: dict[str, str], body: dict[str, Any]) -> Schema:
    return {
        "post": {
            "summary": summary,
            "description": prose,
            "tags": [Tag.CALLBACKS],
            "security": [],
            "parameters": [
                {"name": name, "in": "header", "description": text, "schema": {"type": "string"}}
                for name, text in headers.items()
            ],
            "requestBody": {"required": True, "content": {JSON: body}},
            "responses": {
                "2XX": {"description": "Received."},
                "410": {"description": "Do not send this notification again."},
            },
        }
    }
