"""A job as its user sees it: no lease, no delivery URL, no signed query."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from jobs.job import Job
from jobs.kept import Kept
from jobs.services import Services
from jobs.slots import EVERYTHING, Pause
from jobs.timeline import Moment


def jobs(services: Services, records: Sequence[Job]) -> list[dict[str, Any]]:
    """The JSON of several jobs, their refused callbacks among them."""
    refusals = services.refusals.of([record.id for record in records]) if records else []
    pauses = services.slots.pauses() if any(record.waits for record in records) else []
    return [
        _job(services, record, (*refused, *_held_up(record, pauses)))
        for record, refused in zip(records, refusals, strict=True)
    ]


def _held_up(record: Job, pauses: Sequence[Pause]) -> list[Moment]:
    """Why a job still waits in line, which is on no record of its own."""
    scopes = (EVERYTHING, record.model) if record.waits else ()
    return [
        Moment(pause.since, "submitting paused", {"reason": pause.reason})
        for pause in pauses
        if pause.scope in scopes
    ]


def job(services: Services, record: Job) -> dict[str, Any]:
    """The JSON of one job."""
    return jobs(services, [record])[0]


def _job(services: Services, record: Job, beside: tuple[Moment, ...]) -> dict[str, Any]:
    """Each medium gets a link that is signed now."""
    timeline = sorted((*record.timeline, *beside), key=lambda moment: moment.at)
    urls = services.links_to(record)

    return {
        "id": record.id,
        "task_id": record.task_id,
        "status": record.state,
        "model": record.model,
        "source": record.source,
        "progress": record.progress,
        "created_at": time(record.created_at),
        "updated_at": time(record.updated_at),
        "deadline": time(record.deadline),
        "cost": record.cost,
        "metadata": record.metadata,
        "result": record.result or None,
        "error": _error(record),
        "moderation": _moderation(record),
        "media": [_medium(*pair) for pair in zip(record.media, urls, strict=True)],
        "timeline": [_moment(moment) for moment in timeline],
    }


def time(at: float) -> str:
    """RFC 3339 in UTC, to the millisecond."""
    text = datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds")
    return text.replace("+00:00", "Z")


def _error(record: Job) -> dict[str, str] | None:
    failure = record.failure
    return {"code": failure.code, "message": failure.message} if failure else None


def _moderation(record: Job) -> dict[str, Any] | None:
    refusal = record.moderation
    return {"stage": refusal.stage, "reasons": list(refusal.reasons)} if refusal else None


def _medium(file: Kept, url: str) -> dict[str, Any]:
    return {
        "url": url,
        "content_type": file.content_type,
        "bytes": file.bytes,
        "sha256": file.sha256,
        "width": file.width,
        "height": file.height,
    }


def _moment(moment: Moment) -> dict[str, Any]:
    return {"at": time(moment.at), "what": moment.what, "detail": moment.detail}
