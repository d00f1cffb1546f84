"""Liberal parser for callbacks, in all versions, and polls. An unknown status is progress."""

import json
import math
import re
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, NamedTuple

from jobs.bfl.result_files import ResultFiles, find_files, replace_file_urls, strip_signatures
from jobs.domain.bfl_report import ErrorCode, Failure, Moderation, Report, Stage
from jobs.domain.budgets import CREDITS_MAX
from jobs.domain.errors import InvalidJson, InvalidReport
from jobs.domain.status import ReportKind, Source
from jobs.net import lenient_json

TASK_ID = re.compile(r"[A-Za-z0-9_-]{1,128}", re.ASCII)
_CLAIMED_ID = re.compile(rb'"(?:task_)?id"[ \t\r\n]*:[ \t\r\n]*"([A-Za-z0-9_-]{1,128})"')
# BFL's docs conflict: the secret itself, or an HMAC of the body.
AUTHENTICATION_HEADERS = ("X-Webhook-Secret", "X-BFL-Signature")
# "Invalid API key format" is recorded. A field of an input, such as `keyframes`, is not meant.
_ABOUT_THE_KEY = re.compile(
    r"\b(api|x|bfl|access)[ _-]?key\b"
    r"|\b(invalid|malformed|unknown|wrong|expired|revoked|missing|inactive)[ ]key\b"
    r"|\bkey[ ](format|is[ ](invalid|malformed|expired|not))\b"
    r"|\b(not|un)[ ]?authenticated\b|\binvalid authentication\b",
    re.IGNORECASE | re.ASCII,
)
MESSAGE_MAX_CHARS = 500
STATUS_MAX_CHARS = 64
COST_MAX_CHARS = 40
REASONS_MAX = 20

_STATUSES = {
    "ready": ReportKind.READY,
    "success": ReportKind.READY,
    "error": ReportKind.FAILED,
    "failed": ReportKind.FAILED,
    "request moderated": ReportKind.MODERATED,
    "content moderated": ReportKind.MODERATED,
    "generated content moderated": ReportKind.MODERATED,
    "no card generated": ReportKind.FAILED,
}
DONE = "Ready"
_NOT_FOUND = "task not found"
# Any other status in a poll is progress as well, but no proof that BFL has the task.
_AT_WORK = frozenset({"pending", "reasoning", "generating", "processing"})

_IDENTIFIER = {"type": "string", "pattern": f"^{TASK_ID.pattern}$"}
# The minimum that every version of a callback fulfils; other members are allowed.
CALLBACK: dict[str, Any] = {
    "title": "Callback",
    "description": "BFL's report about a task; names and statuses are read liberally.",
    "type": "object",
    "properties": {
        "status": {"description": f"`{DONE}`, or any other status of BFL"},
        "result": {
            "description": "an object with `sample`, `samples`, `draft_cache` or `draft_caches`"
        },
        "progress": {"description": "from 0 to 1, or a percentage"},
        "details": {"description": "why it was moderated"},
        "cost": {"description": "in credits"},
    },
    "anyOf": [
        {"required": ["id"], "properties": {"id": _IDENTIFIER}},
        {"required": ["task_id"], "properties": {"task_id": _IDENTIFIER, "id": {"type": "null"}}},
    ],
}


def parse_callback(body: bytes) -> Report:
    """Parse the body of a proven callback, which is BFL's own word. Raises InvalidReport."""
    message = lenient_json.load_object(body, InvalidReport)
    return parse_report(message, task_id(message), Source.CALLBACK)


def claimed_task_id(body: bytes) -> str | None:
    """Find the first id in an unverified body, without parsing it."""
    found = _CLAIMED_ID.search(body)
    return found[1].decode() if found else None


def task_id(message: Mapping[str, Any]) -> str:
    """Return `id`, or `task_id` as before 2026-02. Raises InvalidReport if malformed."""
    found = message.get("id")
    found = message.get("task_id") if found is None else found
    if not isinstance(found, str) or not TASK_ID.fullmatch(found):
        raise InvalidReport("the task id is missing or malformed")
    return found


def parse_report(message: Mapping[str, Any], task_id: str, source: Source) -> Report:
    """Build a report; polling responses and callbacks have one shape."""
    status = _status(message.get("status"))
    kind = _STATUSES.get(status.lower(), ReportKind.PROGRESS)
    result = message.get("result")
    result = result if isinstance(result, dict) else {}
    found = find_files(result)
    if kind is ReportKind.READY and not found.urls:
        kind = ReportKind.UNCLEAR
    files = found if kind is ReportKind.READY else ResultFiles()
    # A callback proves that BFL has the task; a poll may reach the wrong cluster.
    word = status.lower()
    is_at_work = word != _NOT_FOUND if source is Source.CALLBACK else word in _AT_WORK
    progress = number(message.get("progress"))
    if progress is not None:  # above 1 BFL means a percentage
        progress = min(max(progress / 100 if progress > 1 else progress, 0.0), 1.0)
    cost = named_cost(message.get("cost"), result.get("cost"))
    stage: Stage = "request" if word.startswith("request") else "content"
    moderation = Moderation(stage, _reasons(message))
    return Report(
        task_id=task_id,
        source=source,
        kind=kind,
        status_text=status,
        urls=files.urls,
        roles=files.roles,
        left_out=len(files.left_out),
        stated_expiry=files.expires_at,
        is_alive=kind is ReportKind.PROGRESS and is_at_work,
        progress=progress,
        cost=cost.credits,
        unusable_cost=cost.unusable,
        result=replace_file_urls(result, found, files),
        error=_failure(message, status) if kind is ReportKind.FAILED else None,
        moderation=moderation if kind is ReportKind.MODERATED else None,
    )


def is_final(message: Mapping[str, Any]) -> bool:
    return _status(message.get("status")).lower() in _STATUSES


def is_not_found(message: Mapping[str, Any]) -> bool:
    """Whether a polling response says that this host does not know the task."""
    return _status(message.get("status")).lower() == _NOT_FOUND


def names_api_key(body: bytes) -> bool:
    """Whether the `detail` of an answer is a text about the API key, and no list of fields."""
    try:
        detail = lenient_json.load_object(body).get("detail")
    except InvalidJson:
        return False
    return isinstance(detail, str) and _ABOUT_THE_KEY.search(detail) is not None


def error_message(body: Any) -> str:
    """Extract BFL's error message from the first of these, each a text, a list or an object."""
    if not isinstance(body, dict):
        return ""
    for name in ("detail", "message", "details", "error"):
        if text := _text(body.get(name)):
            return strip_signatures(text)[:MESSAGE_MAX_CHARS]
    result = body.get("result")
    if isinstance(result, dict):  # where failures stood in earlier versions
        for name in ("error", "message"):
            if text := _text(result.get(name)):
                return strip_signatures(text)[:MESSAGE_MAX_CHARS]
    return ""


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, list):
        return "; ".join(filter(None, map(_text, value)))
    if isinstance(value, dict):
        where = value.get("loc")
        path = ".".join(str(part) for part in where) if isinstance(where, list) else ""
        names = ("msg", "message", "error", "detail")
        text = next(filter(None, (_text(value.get(name)) for name in names)), "")
        return f"{path}: {text}" if path else text or json.dumps(value, ensure_ascii=False)
    return ""


def _status(value: Any) -> str:
    return strip_signatures(value)[:STATUS_MAX_CHARS] if isinstance(value, str) else ""


class NamedCost(NamedTuple):
    """A price in credits, or the text of what BFL named in its place."""

    credits: float | None = None
    unusable: str | None = None


def named_cost(*values: Any) -> NamedCost:
    """The first usable price of these values.

    A price is finite and not negative, and no more than a job can cost. BFL's word for another one
    must not change the books: a negative price would refill a budget.
    """
    unusable = None
    for value in values:
        if value is None:
            continue
        credits_named = _credits(value)
        if credits_named is not None:
            return NamedCost(credits_named)
        unusable = unusable or strip_signatures(str(value))[:COST_MAX_CHARS]
    return NamedCost(None, unusable)


def _credits(value: Any) -> float | None:
    """A price as a number or as the text of one."""
    price = number(value)
    if isinstance(value, str) and len(value) <= COST_MAX_CHARS:
        with suppress(ValueError):
            price = float(value)
    if price is None or not math.isfinite(price):
        return None
    return price if 0 <= price <= CREDITS_MAX else None


def number(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        return float(value)
    except OverflowError:
        return None


def _failure(body: Mapping[str, Any], status: str) -> Failure:
    """Recorded failures have a code in `error` and a text in `message` or `details`."""
    error = body.get("error")
    code = error if isinstance(error, str) and re.fullmatch(r"[a-z0-9_.-]{1,64}", error) else None
    message = _text(body.get("message")) or error_message(body)
    message = strip_signatures(message)[:MESSAGE_MAX_CHARS]
    if not message:
        says_more = status.lower() not in ("error", "failed")
        message = f"BFL reported an error: {status}" if says_more else "BFL reported an error"
    return Failure(code or ErrorCode.BFL_ERROR, message)


def _reasons(message: Mapping[str, Any]) -> tuple[str, ...]:
    """`{"Moderation Reasons": [...]}` in the docs; seen as a list, a string and null as well.

    Where none are named, the text that stands in their place is the reason.
    """
    details = message.get("details")
    if isinstance(details, dict):
        named = [value for name, value in details.items() if "reason" in name.lower()]
        details = named[0] if named else None
    reasons = _texts_of(details)
    if reasons:
        return reasons
    for holder in (message.get("details"), message.get("result"), message):
        for name in ("message", "error"):
            value = holder.get(name) if isinstance(holder, dict) else None
            if isinstance(value, str) and value:
                return _texts_of(value)
    return ()


def _texts_of(details: Any) -> tuple[str, ...]:
    items = [details] if isinstance(details, str) else details
    if not isinstance(items, list):
        return ()
    texts = [strip_signatures(item) for item in items if isinstance(item, str)]
    return tuple(text[:MESSAGE_MAX_CHARS] for text in texts[:REASONS_MAX])
