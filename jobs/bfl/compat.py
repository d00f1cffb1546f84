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


def submission_response(job: Job, base_url: str) -> BflSubmission:
    """Build the response to a submission; clients need `polling_url` also with a webhook."""
    input_megapixels, output_megapixels = job.submission.megapixels
    body: BflSubmission = {
        "id": job.id,
        "polling_url": f"{base_url}/v1/get_result?id={job.id}",
        "cost": job.cost,
        "input_mp": input_megapixels,
        "output_mp": output_megapixels,
    }
    if job.submission.client_webhook:
        body["status"] = "Pending"
        body["webhook_url"] = job.submission.client_webhook.url
    return body


def poll_response(job: Job, links: Sequence[str], waiting: Sequence[str] = ()) -> BflTask:
    """Build the response to a poll, or a callback; `waiting`: reasons why it is still queued."""
    body = response_without_result(job.id, _status(job))
    body["progress"] = job.progress
    if waiting:
        body["details"] = {"Waiting": list(waiting)}
    elif job.moderation and job.moderation.reasons:
        reasons = [_without_bfl_urls(reason) for reason in job.moderation.reasons]
        body["details"] = {"Moderation Reasons": reasons}
    if job.status is Status.STORED:
        body["result"] = _result(job, links)
    if job.cost is not None:
        body["cost"] = job.cost
    if job.error and job.status.terminal and job.status is not Status.STORED:
        body["error"] = job.error.code
        body["message"] = _without_bfl_urls(job.error.message)
    return body


def unknown_task_response(task_id: str) -> BflTask:
    return response_without_result(task_id, "Task not found")


def response_without_result(task_id: str, status: str = "Pending") -> BflTask:
    """Build a response that by default has the client poll again, also while Redis is down."""
    return {
        "id": task_id,
        "status": status,
        "result": None,
        "progress": None,
        "details": None,
        "preview": None,
    }


def _status(job: Job) -> str:
    if job.status is Status.STORED:
        return "Ready"
    if job.status is Status.MODERATED and job.moderation:
        return f"{job.moderation.stage.capitalize()} Moderated"
    if job.status.terminal:
        return "Error"
    return "Pending"


def _result(job: Job, links: Sequence[str]) -> dict[str, Any]:
    """The result as BFL sent it, with our links; unknown values are left out."""
    # Of a result that was truncated or restored from a sidecar only the files are known.
    members = _links_of_role("sample", Role.SAMPLE, job, links)
    members.update(_links_of_role("draft_cache", Role.DRAFT_CACHE, job, links))
    members.update(_without_bfl_urls_in(with_links(job.result, links)))
    return {name: value for name, value in members.items() if value is not None}


def _links_of_role(name: str, role: Role, job: Job, links: Sequence[str]) -> dict[str, Any]:
    """The first link as `name`, and all of several as its plural."""
    links_of_role = [link for link, file in zip(links, job.media, strict=True) if file.role is role]
    members = dict[str, Any]()
    if links_of_role:
        members[name] = links_of_role[0]
    if len(links_of_role) > 1:
        members[f"{name}s"] = links_of_role
    return members


def _without_bfl_urls_in(value: Any) -> Any:
    """Remove BFL's URLs: from lists, as null in objects, replaced in texts."""
    if isinstance(value, str):
        if _is_bfl_url(value):
            return None
        return _without_bfl_urls(value)
    if isinstance(value, list):
        return [_without_bfl_urls_in(item) for item in value if not _is_bfl_url(item)]
    if isinstance(value, Mapping):
        members = dict[str, Any]()
        for name, member in value.items():
            members[_without_bfl_urls(name)] = _without_bfl_urls_in(member)
        return members
    return value


def _is_bfl_url(value: Any) -> bool:
    return isinstance(value, str) and _URL.fullmatch(value) is not None


def _without_bfl_urls(text: str) -> str:
    return _URL.sub("(URL removed)", text)


def error_response(detail: str | list[BflValidationError], message: str) -> BflError:
    """Build an error body; BFL's Python client shows `message`."""
    return {"detail": detail, "message": message}


def validation_errors(errors: Sequence[Mapping[str, str]]) -> list[BflValidationError]:
    """Translate invalid fields to BFL's shape; the body of its API is what ours calls `input`."""
    translated: list[BflValidationError] = []
    for error in errors:
        path = error["field"].split(".")
        if path[0] == "input":
            path = path[1:]
        translated.append({"loc": ["body", *path], "msg": error["message"], "type": "value_error"})
    return translated
