"""BFL's dialect spoken: a job as BFL itself would tell of it, to clients that know only BFL.

How clients read it decides what is said: some take any word but "Pending" and the final ones for
an error, some want numbers to be numbers or absent, and one reads only `message`.
"""

from collections.abc import Mapping, Sequence
from typing import Any

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


def submitted(job: Job, base_url: str) -> dict[str, Any]:
    """The answer to a submission; clients want `polling_url` also beside a webhook."""
    said: dict[str, Any] = {
        "id": job.id,
        "polling_url": f"{base_url}/v1/get_result?id={job.id}",
        "cost": job.cost,
        **dict(zip(("input_mp", "output_mp"), job.megapixels, strict=True)),
    }
    if job.caller:
        said |= {"status": "Pending", "webhook_url": job.caller.url}
    return said


def told(job: Job, links: Sequence[str]) -> dict[str, Any]:
    """The answer to a poll and the body of a callback; "Ready" only once the media are ours."""
    said = {
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
        said |= {"error": job.failure.code, "message": job.failure.message}
    return said


def pending(task_id: str) -> dict[str, Any]:
    """While Redis is away nobody can know more, and asking again costs nothing."""
    return _about(task_id, "Pending")


def unknown(task_id: str) -> dict[str, Any]:
    return _about(task_id, "Task not found")


def _about(task_id: str, status: str) -> dict[str, Any]:
    empty = dict.fromkeys(("result", "progress", "details", "preview"))
    return {"id": task_id, "status": status, **empty}


def _status(job: Job) -> str:
    if job.state is State.MODERATED and job.moderation:
        return "Request Moderated" if job.moderation.stage == "request" else "Content Moderated"
    return _STATUS.get(job.state, "Pending")


def _result(job: Job, links: Sequence[str]) -> dict[str, Any]:
    """BFL's result with links to what is kept; what is not known is left out."""
    result = {name: value for name, value in job.result.items() if value is not None}
    samples, drafts = (_links(job, links, role) for role in (Role.SAMPLE, Role.DRAFT_CACHE))
    media: dict[str, Any] = {"sample": samples[0]} if samples else {}
    if len(samples) > 1:
        media["samples"] = samples
    if drafts:
        media["draft_cache"] = drafts[0]
    return result | media


def _links(job: Job, links: Sequence[str], role: Role) -> list[str]:
    return [link for link, file in zip(links, job.media, strict=True) if file.role is role]


def _details(job: Job) -> dict[str, Any] | None:
    if job.moderation and job.moderation.reasons:
        return {"Moderation Reasons": list(job.moderation.reasons)}
    return None


def error(detail: Any, message: str) -> dict[str, Any]:
    """An error body; `message` is what BFL's own Python client shows."""
    return {"detail": detail, "message": message}


NOT_AUTHENTICATED = "Not authenticated - Invalid Authentication"


def complaints(errors: Sequence[Mapping[str, str]]) -> list[dict[str, Any]]:
    """Fields that are wrong, as BFL names them."""
    return [
        {
            "loc": ["body", *error["field"].split(".")],
            "msg": error["message"],
            "type": "value_error",
        }
        for error in errors
    ]
