"""BFL's dialect spoken: a job as BFL itself would tell of it, to clients that know only BFL.

How clients read it decides what is said: some take any word but "Pending" and the final ones for
an error, some want numbers to be numbers or absent, and one reads only `message`.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NotRequired

from typing_extensions import TypedDict

from jobs.bfl_results import with_links
from jobs.job import Job
from jobs.kept import Role
from jobs.states import State

RETRY_AFTER_SECONDS = 1

_STATUS = {
    State.STORED: "Ready",
    State.FAILED: "Error",
    State.EXPIRED: "Error",
    State.LOST: "Error",
}


class Taken(TypedDict):
    """A submission as BFL would answer it."""

    id: str
    polling_url: str
    cost: float | None
    input_mp: float | None
    output_mp: float | None
    status: NotRequired[str]
    webhook_url: NotRequired[str]


class Told(TypedDict):
    """A task as BFL would tell of it."""

    id: str
    status: str
    result: dict[str, Any] | None
    progress: float | None
    details: dict[str, Any] | None
    preview: None
    cost: NotRequired[float]
    error: NotRequired[str]
    message: NotRequired[str]


class Credits(TypedDict):
    """What is left."""

    credits: float


class Complaint(TypedDict):
    """A field that is wrong, as BFL names it."""

    loc: list[str]
    msg: str
    type: str


class Error(TypedDict):
    """An error as BFL says it."""

    detail: str | list[Complaint]
    message: str


def submitted(job: Job, base_url: str) -> Taken:
    """The answer to a submission; clients want `polling_url` also beside a webhook."""
    came_in, went_out = job.megapixels
    said: Taken = {
        "id": job.id,
        "polling_url": f"{base_url}/v1/get_result?id={job.id}",
        "cost": job.cost,
        "input_mp": came_in,
        "output_mp": went_out,
    }
    if job.caller:
        said["status"] = "Pending"
        said["webhook_url"] = job.caller.url
    return said


def told(job: Job, links: Sequence[str]) -> Told:
    """The answer to a poll and the body of a callback; "Ready" only once the media are ours."""
    said: Told = {
        "id": job.id,
        "status": _status(job),
        "result": _result(job, links) if job.state is State.STORED else None,
        "progress": job.progress,
        "details": _details(job),
        "preview": None,
    }
    if job.cost is not None:
        said["cost"] = job.cost
    if job.failure and job.state.terminal and job.state is not State.STORED:
        said["error"] = job.failure.code
        said["message"] = job.failure.message
    return said


def pending(task_id: str) -> Told:
    """While Redis is away nobody can know more, and asking again costs nothing."""
    return _about(task_id, "Pending")


def unknown(task_id: str) -> Told:
    return _about(task_id, "Task not found")


def _about(task_id: str, status: str) -> Told:
    return {
        "id": task_id,
        "status": status,
        "result": None,
        "progress": None,
        "details": None,
        "preview": None,
    }


def _status(job: Job) -> str:
    if job.state is State.MODERATED and job.moderation:
        return "Request Moderated" if job.moderation.stage == "request" else "Content Moderated"
    return _STATUS.get(job.state, "Pending")


def _result(job: Job, links: Sequence[str]) -> dict[str, Any]:
    """BFL's result with our links in place of its URLs; what is not known is left out."""
    result = {name: value for name, value in job.result.items() if value is not None}
    return _media_fields(job, links) | with_links(result, links)


def _media_fields(job: Job, links: Sequence[str]) -> dict[str, Any]:
    """For a result that is not known as a whole: it was too long, or came back from a sidecar."""
    media: dict[str, Any] = {}
    for name, role in (("sample", Role.SAMPLE), ("draft_cache", Role.DRAFT_CACHE)):
        found = _links(job, links, role)
        media |= {name: found[0]} if found else {}
        media |= {f"{name}s": found} if len(found) > 1 else {}
    return media


def _links(job: Job, links: Sequence[str], role: Role) -> list[str]:
    return [link for link, file in zip(links, job.media, strict=True) if file.role is role]


def _details(job: Job) -> dict[str, Any] | None:
    if job.moderation and job.moderation.reasons:
        return {"Moderation Reasons": list(job.moderation.reasons)}
    return None


def error(detail: str | list[Complaint], message: str) -> Error:
    """An error body; `message` is what BFL's own Python client shows."""
    return {"detail": detail, "message": message}


NOT_AUTHENTICATED = "Not authenticated - Invalid Authentication"


def complaints(errors: Sequence[Mapping[str, str]]) -> list[Complaint]:
    """Fields that are wrong, as BFL names them."""
    return [
        {
            "loc": ["body", *error["field"].split(".")],
            "msg": error["message"],
            "type": "value_error",
        }
        for error in errors
    ]
