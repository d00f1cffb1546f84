"""BFL's dialect of submitting: what is sent, and what its answers mean."""

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, NamedTuple

from jobs import bfl, strict_json
from jobs.errors import BadReport, RefusedUrl
from jobs.hosts import Trust
from jobs.report import Failure, Taken
from jobs.signed_urls import strip_signatures_in

URL_MAX_CHARS = 2083
SAID_MAX_CHARS = 8192
CODES = {400: "invalid_input", 404: "unknown_model", 422: "invalid_input"}

NO_CREDITS = 402
TOO_MANY = 429
KEY_REFUSED = (401, 403)
TIMED_OUT = 408
WEBHOOK_FIELDS = ("webhook_url", "webhook_secret")


class Webhook(NamedTuple):
    """Whom BFL shall call, and what proves that it was BFL."""

    url: str
    secret: str


def body(given: Mapping[str, Any], webhook: Webhook | None) -> bytes:
    """The caller's input, untouched but for the webhook, which is ours."""
    asked = {name: value for name, value in given.items() if name not in WEBHOOK_FIELDS}
    if webhook:
        asked |= dict(zip(WEBHOOK_FIELDS, webhook, strict=True))
    return json.dumps(asked, ensure_ascii=False).encode()


def taken(answer: bytes) -> Taken:
    """The task in a good answer. Raises BadReport when there is none in it.

    With a webhook OpenAPI allows an answer without `polling_url`; the numbers may be null.
    """
    message = strict_json.loads(answer)
    if not isinstance(message, dict):
        raise BadReport("the answer is not an object")
    url = message.get("polling_url")
    return Taken(
        task_id=bfl.task_id(message),
        polling_url=url if isinstance(url, str) and len(url) <= URL_MAX_CHARS else None,
        cost=bfl.number(message.get("cost")),
        megapixels=(bfl.number(message.get("input_mp")), bfl.number(message.get("output_mp"))),
    )


def within(task: Taken, trust: Trust) -> Taken:
    """The task without a polling URL that must not be followed: where it was sent is known."""
    try:
        trust.api(task.polling_url or "")
    except RefusedUrl:
        return replace(task, polling_url=None)
    return task


def refusal(status: int, answer: bytes) -> Failure:
    """Why BFL will not take a submission, in its own words."""
    try:
        message = strict_json.loads(answer)
    except BadReport:
        message = None
    words = bfl.error_message(message) or f"BFL answered {status}"
    small = len(answer) <= SAID_MAX_CHARS and isinstance(message, dict)
    said = strip_signatures_in(message) if small else {"detail": words}
    return Failure(CODES.get(status, "bfl_error"), words, status, said)
