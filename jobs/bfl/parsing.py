"""Liberal parser for callbacks, in all versions, and polls. An unknown status is progress."""

import re
from collections.abc import Mapping
from typing import Any

from jobs.bfl.error_messages import failure, moderation_reasons
from jobs.bfl.prices import named_cost, number
from jobs.bfl.result_files import ResultFiles, find_files, replace_file_urls, strip_signatures
from jobs.domain.bfl_report import Moderation, Report, Stage
from jobs.domain.errors import InvalidReport
from jobs.domain.status import ReportKind, Source
from jobs.net import lenient_json

TASK_ID = re.compile(r"[A-Za-z0-9_-]{1,128}", re.ASCII)
_CLAIMED_ID = re.compile(rb'"(?:task_)?id"[ \t\r\n]*:[ \t\r\n]*"([A-Za-z0-9_-]{1,128})"')
# BFL's docs conflict: the secret itself, or an HMAC of the body.
AUTHENTICATION_HEADERS = ("X-Webhook-Secret", "X-BFL-Signature")
STATUS_MAX_CHARS = 64

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
    match = _CLAIMED_ID.search(body)
    return match[1].decode() if match else None


def task_id(message: Mapping[str, Any]) -> str:
    """Return `id`, or `task_id` as before 2026-02. Raises InvalidReport if malformed."""
    identifier = message.get("id")
    if identifier is None:
        identifier = message.get("task_id")
    if not isinstance(identifier, str) or not TASK_ID.fullmatch(identifier):
        raise InvalidReport("the task id is missing or malformed")
    return identifier


def parse_report(message: Mapping[str, Any], task_id: str, source: Source) -> Report:
    """Build a report; polling responses and callbacks have one shape."""
    status = _status(message.get("status"))
    status_word = status.lower()
    result = message.get("result")
    if not isinstance(result, dict):
        result = {}
    files_in_result = find_files(result)
    kind = _STATUSES.get(status_word, ReportKind.PROGRESS)
    if kind is ReportKind.READY and not files_in_result.urls:
        kind = ReportKind.UNCLEAR
    files = ResultFiles()
    if kind is ReportKind.READY:
        files = files_in_result
    error = None
    if kind is ReportKind.FAILED:
        error = failure(message, status)
    moderation = None
    if kind is ReportKind.MODERATED:
        moderation = _moderation(message, status_word)
    cost = named_cost(message.get("cost"), result.get("cost"))
    return Report(
        task_id=task_id,
        source=source,
        kind=kind,
        status_text=status,
        urls=files.urls,
        roles=files.roles,
        left_out=len(files.left_out),
        stated_expiry=files.expires_at,
        is_alive=kind is ReportKind.PROGRESS and _is_at_work(status_word, source),
        progress=_progress(message.get("progress")),
        cost=cost.credits,
        unusable_cost=cost.unusable,
        result=replace_file_urls(result, files_in_result, files),
        error=error,
        moderation=moderation,
    )


def is_final(message: Mapping[str, Any]) -> bool:
    return _status(message.get("status")).lower() in _STATUSES


def is_not_found(message: Mapping[str, Any]) -> bool:
    """Whether a polling response says that this host does not know the task."""
    return _status(message.get("status")).lower() == _NOT_FOUND


def _status(value: Any) -> str:
    if not isinstance(value, str):
        return ""
    return strip_signatures(value)[:STATUS_MAX_CHARS]


def _is_at_work(status_word: str, source: Source) -> bool:
    """Whether a status proves that BFL has the task; a poll may reach the wrong cluster."""
    if source is Source.CALLBACK:
        return status_word != _NOT_FOUND
    return status_word in _AT_WORK


def _progress(value: Any) -> float | None:
    """Progress from 0 to 1; above 1 BFL means a percentage."""
    progress = number(value)
    if progress is None:
        return None
    if progress > 1:
        progress = progress / 100
    return min(max(progress, 0.0), 1.0)


def _moderation(message: Mapping[str, Any], status_word: str) -> Moderation:
    stage: Stage = "content"
    if status_word.startswith("request"):
        stage = "request"
    return Moderation(stage, moderation_reasons(message))
