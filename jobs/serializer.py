"""A job as its user sees it, but for its links: no lease, no delivery URL, no signed query."""

import json
import re
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, TypeVar

from jobs.bfl.results import without_media_fields
from jobs.job import Job
from jobs.record import MediaFile
from jobs.timeline import TimelineEvent
from jobs.view_types import File, Line, Moderated, Portrait, Refusal

Media = TypeVar("Media")

FORMAT = 1  # of what stands beside an object; raised when a reader has to know the difference
SHORT_ID_CHARS = 8
MODEL_MAX_CHARS = 60
LATEST = datetime(9999, 12, 31, tzinfo=UTC).timestamp()


def portrait(job: Job, media: list[Media], others: Sequence[TimelineEvent] = ()) -> Portrait[Media]:
    """Its JSON; `others` are moments that stand beside its own on the timeline."""
    timeline = sorted((*job.timeline, *others), key=lambda moment: moment.at)
    shown: Portrait[Media] = {
        "id": job.id,
        "task_id": job.task_id,
        "status": job.status,
        "model": job.model,
        "source": job.source,
        "progress": job.progress,
        "created_at": time(job.created_at),
        "updated_at": time(job.updated_at),
        "deadline": time(job.deadline),
        "cost": job.cost,
        "metadata": job.metadata,
        "result": without_media_fields(job.result) or None,
        "error": _error(job) if job.status.terminal else None,
        "moderation": _moderation(job) if job.status.terminal else None,
        "media": media,
        "timeline": [_moment(moment) for moment in timeline],
    }
    if job.quoted_cost is not None:
        shown["quoted_cost"] = job.quoted_cost
    return shown


def sidecar(job: Job) -> bytes:
    """What is written beside each object of a job: enough to bring its record back."""
    shown = portrait(job, [_noted(kept) for kept in job.media])
    drawn = {
        "format": FORMAT,
        **shown,
        "ended_at": time(job.end),
        "request": job.submission.request_digest,
    }
    return json.dumps(drawn, indent=2, ensure_ascii=False).encode() + b"\n"


def file_name(job: Job, n: int, kept_as: str) -> str:
    """`flux-2-pro-2026-11-21-<short id>.jpg`: what a browser saves the n-th file as, in ASCII."""
    model = _plain(job.model or "")[:MODEL_MAX_CHARS] or "media"
    day = time(job.created_at).partition("T")[0]
    short = _plain(job.id)[:SHORT_ID_CHARS]
    number = f"-{n + 1}" if n else ""
    return f"{model}-{day}-{short}{number}.{kept_as.partition('.')[2]}"


def time(at: float) -> str:
    """RFC 3339 in UTC, to the millisecond."""
    return utc(at).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def utc(at: float) -> datetime:
    """A unix time in UTC; the nearest there is to one out of all bounds."""
    # In this order it is also a time where `at` is not a number.
    return datetime.fromtimestamp(min(max(0.0, at), LATEST), UTC)


def _plain(text: str) -> str:
    return re.sub(r"[^A-Za-z0-9]+", "-", text).strip("-")


def _error(job: Job) -> Refusal | None:
    failure = job.error
    return {"code": failure.code, "message": failure.message} if failure else None


def _moderation(job: Job) -> Moderated | None:
    refusal = job.moderation
    return {"stage": refusal.stage, "reasons": list(refusal.reasons)} if refusal else None


def file(kept: MediaFile) -> File:
    shown: File = {
        "role": kept.role,
        "content_type": kept.content_type,
        "bytes": kept.bytes,
        "sha256": kept.sha256,
        "width": kept.width,
        "height": kept.height,
        "duration": kept.seconds,
    }
    if kept.deleted_at is not None:
        shown["deleted_at"] = time(kept.deleted_at)
    return shown


def _noted(kept: MediaFile) -> dict[str, Any]:
    small = kept.thumbnail
    return {"key": kept.key, **file(kept), "thumbnail": small and _small(small)}


def _small(thumbnail: MediaFile) -> dict[str, Any]:
    told = ("key", "content_type", "bytes", "sha256", "width", "height")
    return {name: getattr(thumbnail, name) for name in told}


def _moment(moment: TimelineEvent) -> Line:
    return {"at": time(moment.at), "event": moment.event, "detail": moment.detail}
