"""Responses in BFL's shape, for clients of BFL's API.

Some clients take any status but "Pending" and the final ones for an error, some need numbers to
be absent instead of null, and one reads only `message`.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any, NotRequired

from typing_extensions import TypedDict

from jobs.domain.bfl_report import Role
from jobs.domain.job import Job
from jobs.domain.media_references import with_links
from jobs.domain.status import Status

RETRY_AFTER_SECONDS = 1
NOT_AUTHENTICATED = "Not authenticated - Invalid Authentication"
# Removed from responses: delivery URLs expire, polling URLs need BFL's key.
_URL = re.compile(
    r"https?://(?:delivery[a-z0-9.-]{0,253}\.bfl\.(?:ai|ml)"
    r"|bfldelivery[a-z0-9]{0,63}\.blob\.core\.windows\.net"
    r"|(?:api|gateway)[a-z0-9.-]{0,253}\.bfl\.(?:ai|ml)/v1/get_result)(?![a-z0-9.-])[^\s\"'<>]*",
    re.IGNORECASE | re.ASCII,
)


class BflSubmission(TypedDict):
    """Response to a submission."""

    id: str
    polling_url: str
    cost: float | None
    input_mp: float | None
    output_mp: float | None
    status: NotRequired[str]
    webhook_url: NotRequired[str]


class BflTask(TypedDict):
    """Response to a poll."""

    id: str
    status: str
    result: dict[str, Any] | None
    progress: float | None
    details: dict[str, Any] | None
    preview: None
    cost: NotRequired[float]
    error: NotRequired[str]
    message: NotRequired[str]


class BflCredits(TypedDict):
    """Credits of the BFL account."""

    credits: float


class BflValidationError(TypedDict):
    """One invalid field."""

    loc: list[str]
    msg: str
    type: str


class BflError(TypedDict):
    """Error response."""

    detail: str | list[BflValidationError]
    message: str


def submission(job: Job, base_url: str) -> BflSubmission:
    """Build the response to a submission; clients need `polling_url` also with a webhook."""
    input_mp, output_mp = job.submission.megapixels
    body: BflSubmission = {
        "id": job.id,
        "polling_url": f"{base_url}/v1/get_result?id={job.id}",
        "cost": job.cost,
        "input_mp": input_mp,
        "output_mp": output_mp,
    }
    if job.submission.client_webhook:
        body["status"] = "Pending"
        body["webhook_url"] = job.submission.client_webhook.url
    return body


def task(job: Job, links: Sequence[str], waiting: Sequence[str] = ()) -> BflTask:
    """Build the response to a poll, or a callback; `waiting`: reasons why it is still queued."""
    body = task_without_result(job.id, "Error" if job.status.terminal else "Pending")
    body["progress"] = job.progress
    if job.status is Status.MODERATED and job.moderation:
        body["status"] = f"{job.moderation.stage.capitalize()} Moderated"
    if waiting:
        body["details"] = {"Waiting": list(waiting)}
    elif job.moderation and job.moderation.reasons:
        reasons = map(_without_bfl_urls, job.moderation.reasons)
        body["details"] = {"Moderation Reasons": list(reasons)}
    if job.status is Status.STORED:
        body["status"] = "Ready"
        media: dict[str, Any] = {}  # of a result that was truncated or restored from a sidecar
        for name, role in (("sample", Role.SAMPLE), ("draft_cache", Role.DRAFT_CACHE)):
            pairs = zip(links, job.media, strict=True)
            found = [link for link, file in pairs if file.role is role]
            media |= {name: found[0]} if found else {}
            media |= {f"{name}s": found} if len(found) > 1 else {}
        result = media | _without_bfl_urls_in(with_links(job.result, links))
        # Unknown values are left out.
        body["result"] = {name: value for name, value in result.items() if value is not None}
    if job.cost is not None:
        body["cost"] = job.cost
    if job.error and job.status.terminal and job.status is not Status.STORED:
        body["error"] = job.error.code
        body["message"] = _without_bfl_urls(job.error.message)
    return body


def unknown_task(task_id: str) -> BflTask:
    return task_without_result(task_id, "Task not found")


def task_without_result(task_id: str, status: str = "Pending") -> BflTask:
    """Build a response that by default has the client poll again, also while Redis is down."""
    return {
        "id": task_id,
        "status": status,
        "result": None,
        "progress": None,
        "details": None,
        "preview": None,
    }


def _without_bfl_urls_in(value: Any) -> Any:
    """Remove BFL's URLs: from lists, as null in objects, replaced in texts."""
    if isinstance(value, str):
        return None if _URL.fullmatch(value) else _without_bfl_urls(value)
    if isinstance(value, list):
        others = (item for item in value if not (isinstance(item, str) and _URL.fullmatch(item)))
        return [_without_bfl_urls_in(item) for item in others]
    if isinstance(value, Mapping):
        return {_without_bfl_urls(k): _without_bfl_urls_in(item) for k, item in value.items()}
    return value


def _without_bfl_urls(text: str) -> str:
    return _URL.sub("(URL removed)", text)


def error(detail: str | list[BflValidationError], message: str) -> BflError:
    """Build an error body; BFL's Python client shows `message`."""
    return {"detail": detail, "message": message}


def validation_errors(errors: Sequence[Mapping[str, str]]) -> list[BflValidationError]:
    """Translate invalid fields to BFL's shape; the body of its API is what ours calls `input`."""
    paths = [error["field"].split(".") for error in errors]
    places = [path[1:] if path[0] == "input" else path for path in paths]
    return [
        {"loc": ["body", *place], "msg": error["message"], "type": "value_error"}
        for place, error in zip(places, errors, strict=True)
    ]
