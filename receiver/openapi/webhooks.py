"""Outgoing requests when a job has ended, as the document's webhooks."""

from jobs.bfl import compat
from jobs.bfl.parsing import AUTHENTICATION_HEADERS
from jobs.views import Notification
from receiver.openapi import examples
from receiver.openapi.schemas import Schema, Schemas
from receiver.schemas.endpoint import JSON, Tag

_NOTIFICATION = (
    "To `NOTIFY_URL`, and to the `notify_url` of a job. Signed by the Standard Webhooks "
    "specification. Any answer but 2xx within 15 s is retried for a day; 410 ends the retries. "
    "A notification may arrive twice."
)
_NOTIFICATION_HEADERS = {
    "webhook-id": "the same for every attempt",
    "webhook-timestamp": "time of this attempt in unix seconds",
    "webhook-signature": "`v1,` and a signature for each of `NOTIFY_SECRET`, separated by spaces",
}
_CALLBACK = (
    "To the `webhook_url` in the body of a submission under `/v1`: a callback as BFL sends it, "
    "retried after 1, 5 and 30 s as BFL does."
)
_CALLBACK_HEADERS = {
    AUTHENTICATION_HEADERS[0]: "the `webhook_secret` itself, if one was given",
    AUTHENTICATION_HEADERS[1]: "`sha256=` and the HMAC-SHA256 of the body with it",
}


def build(schemas: Schemas) -> Schema:
    notification = {"schema": schemas.of(Notification), "example": examples.NOTIFICATION}
    callback = {"schema": schemas.of(compat.BflTask), "example": examples.BFL_TASK}
    return {
        "jobEnded": _post("A job has ended", _NOTIFICATION, _NOTIFICATION_HEADERS, notification),
        "taskEnded": _post("A task has ended", _CALLBACK, _CALLBACK_HEADERS, callback),
    }


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
