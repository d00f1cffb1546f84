"""JSON views of a job: for the API and notifications; sidecars extend them."""

import re
from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Annotated, Any, Literal, NotRequired, TypeVar, cast

from pydantic import Field
from typing_extensions import TypedDict

from jobs import kept_inputs
from jobs.bfl.result_files import without_media_fields
from jobs.domain.bfl_report import Role, Stage
from jobs.domain.job import Job
from jobs.domain.job_record import MediaFile, Sha256, Size
from jobs.domain.status import Source, Status
from jobs.domain.timeline import EventCode, TimelineEvent
from jobs.domain.timestamps import rfc3339
from jobs.services import Services
from jobs.store.scopes import at_account
from jobs.store.submission_queue import ALL_MODELS, Circuit

Member = TypeVar("Member", bound=StrEnum)

SHORT_ID_CHARS = 8
MODEL_MAX_CHARS = 60

# The types. The OpenAPI document is generated from them.

ROLES = (
    "its place in the result; a `draft_cache` is an opaque bundle that `flux-3-video` needs to "
    "finish a draft (`draft_enhance`)"
)
Time = Annotated[str, Field(json_schema_extra={"format": "date-time"})]
Fraction = Annotated[float, Field(description="from 0 to 1, as far as BFL reports it")]


class ErrorView(TypedDict):
    """Why a job failed, expired or was lost."""

    code: Annotated[str, Field(description="short and stable")]
    message: Annotated[str, Field(description="the message of BFL or of Fluxkeep")]


class ModerationView(TypedDict):
    """The stage at which BFL refused the job, and its reasons."""

    stage: Stage
    reasons: list[str]


class FileView(TypedDict):
    """One file of a result."""

    role: Annotated[Role, Field(description=ROLES)]
    content_type: str
    bytes: Size
    sha256: Sha256
    width: Annotated[int | None, Field(description="in pixels")]
    height: Annotated[int | None, Field(description="in pixels")]
    duration: Annotated[float | None, Field(description="of a video, in seconds")]
    content_credentials: Annotated[
        Literal["present", "absent"] | None,
        Field(description="whether the file carries a C2PA manifest; nothing of it is verified"),
    ]
    deleted_at: NotRequired[Annotated[Time, Field(description="when it was found deleted")]]


class MediaView(FileView):
    """One file of a result, with links that need no key."""

    url: Annotated[str, Field(description="signed; expires after LINK_TTL or `link_ttl`")]
    public_url: Annotated[
        str | None, Field(description="below MEDIA_PUBLIC_URL, if that is set; does not expire")
    ]
    key: Annotated[str, Field(description="of the object in the storage, below MEDIA_URL")]
    thumbnail_url: Annotated[
        str | None, Field(description="a small WebP; null until it is made, and for videos")
    ]


class TimelineEventView(TypedDict):
    """An event of a job's timeline."""

    at: Time
    event: EventCode
    detail: Mapping[str, Any]


class JobView(TypedDict):
    """A job and its outcome."""

    id: Annotated[str, Field(description="the task's id, or a UUID if Fluxkeep submitted it")]
    task_id: Annotated[str | None, Field(description="BFL's identifier, once there is one")]
    status: Status
    model: str | None
    source: Annotated[Source | None, Field(description="the source of the final report")]
    progress: Fraction | None
    created_at: Time
    updated_at: Time
    deadline: Annotated[Time, Field(description="the job has ended by then")]
    cost: Annotated[float | None, Field(description="in BFL's credits: quoted, then settled")]
    key: Annotated[str | None, Field(description="name of the API key that brought the job")]
    input: NotRequired[
        Annotated[
            Mapping[str, Any],
            Field(description="as BFL got it, with links to its images; for scope `submit`"),
        ]
    ]
    repeats: NotRequired[Annotated[str, Field(description="the job whose input it repeats")]]
    metadata: Annotated[Mapping[str, Any], Field(description="as the caller gave it")]
    result: Annotated[
        Mapping[str, Any] | None, Field(description="BFL's result without its expiring URLs")
    ]
    error: ErrorView | None
    moderation: ModerationView | None
    media: list[MediaView]
    timeline: Annotated[
        list[TimelineEventView], Field(description="oldest first, refused callbacks included")
    ]


_TYPES: Any = {"enum": [f"job.{status}" for status in Status if status.terminal]}


class Notification(TypedDict):
    """The body of the request that reports a job's end."""

    type: Annotated[str, Field(description="the final status", json_schema_extra=_TYPES)]
    timestamp: Annotated[Time, Field(description="when the job ended")]
    data: JobView


def job_view(
    services: Services, job: Job, link_ttl: float | None = None, *, with_input: bool = False
) -> JobView:
    """The view of one job; with its input, if that was kept, for callers who may submit."""
    view = job_views(services, [job], link_ttl)[0]
    public_input = job.request.public_input
    if with_input and public_input is not None:
        links = services.links_to(job, seconds=link_ttl, is_input=True)
        view["input"] = kept_inputs.with_links(public_input, links)
    return view


def job_views(
    services: Services,
    jobs: Sequence[Job],
    link_ttl: float | None = None,
    base_url: str | None = None,
) -> list[JobView]:
    """The views of several jobs; their links live for `link_ttl` seconds."""
    if not jobs:
        return []
    refusals = services.refused_callbacks.latest([job.id for job in jobs])
    circuits: Sequence[Circuit] = []
    if any(job.submission.is_queued for job in jobs):
        circuits = services.submission_queue.open_circuits()
    views: list[JobView] = []
    for job, refused in zip(jobs, refusals, strict=True):
        media = _media_views(services, job, link_ttl, base_url)
        events = list(refused)
        events.extend(_open_circuits(job, circuits))
        events.extend(_missing_keys(services, job))
        views.append(base_view(job, media, events))
    return views


def _media_views(
    services: Services, job: Job, link_ttl: float | None, base_url: str | None
) -> list[MediaView]:
    links = services.links_to(job, base_url, link_ttl)
    thumbnail_links = links
    if any(file.thumbnail for file in job.media):
        thumbnail_links = services.links_to(job, base_url, link_ttl, thumbnail=True)
    media: list[MediaView] = []
    for link, thumbnail_link, file in zip(links, thumbnail_links, job.media, strict=True):
        view: MediaView = {
            "url": link,
            "public_url": _public_url(services, file),
            "key": file.key,
            "thumbnail_url": None,
            **file_view(file),
        }
        if file.thumbnail:
            view["thumbnail_url"] = thumbnail_link
        media.append(view)
    return media


def _public_url(services: Services, file: MediaFile) -> str | None:
    base_url = services.settings.media_public_url
    if not base_url:
        return None
    return f"{base_url}/{file.key}"


def _open_circuits(job: Job, circuits: Sequence[Circuit]) -> list[TimelineEvent]:
    """Events for the open circuits that hold a queued job back; the record has no such events."""
    if not job.submission.is_queued:
        return []
    account = job.submission.bfl_key
    scopes = (at_account(ALL_MODELS, account), at_account(job.model or "", account))
    events: list[TimelineEvent] = []
    for circuit in circuits:
        if circuit.scope in scopes:
            detail = {"reason": circuit.reason}
            events.append(TimelineEvent(circuit.since, EventCode.SUBMISSION_PAUSED, detail))
    return events


def _missing_keys(services: Services, job: Job) -> list[TimelineEvent]:
    """An event for the key that was removed from the settings and that a queued job waits for."""
    if not job.submission.is_queued or job.submission.is_held:  # that is on record
        return []
    obstacle = services.obstacle_to_sending(job)
    if not obstacle:
        return []
    since = job.submission.queued_at or job.created_at
    return [TimelineEvent(since, EventCode.SUBMISSION_PAUSED, {"reason": obstacle})]


def waiting_reasons(services: Services, job: Job) -> list[str]:
    """Reasons why BFL does not work on a job yet; empty when nothing is wrong."""
    if job.submission.is_queued:
        obstacle = services.obstacle_to_sending(job)
        if obstacle:
            return [obstacle]
        events = _open_circuits(job, services.submission_queue.open_circuits())
        reasons = [event.detail["reason"] for event in events]
        if job.submission.awaits_budget:
            reasons.insert(0, "the budget of its key has no room for it")
        return reasons
    if not job.submission.unconfirmed:
        return []
    for event in reversed(job.timeline):
        if event.event is EventCode.SUBMISSION_UNCONFIRMED:
            return [event.detail["reason"]]
    return []


def base_view(job: Job, media: list[Any], events: Sequence[TimelineEvent] = ()) -> JobView:
    """The view of a record with views of its media; `events` are added to its timeline."""
    error: ErrorView | None = None
    moderation: ModerationView | None = None
    if job.status.terminal and job.error:
        error = {"code": job.error.code, "message": job.error.message}
    if job.status.terminal and job.moderation:
        reasons = list(job.moderation.reasons)
        moderation = {"stage": job.moderation.stage, "reasons": reasons}
    source: Source | None = None
    if job.source:
        source = _plain(job.source)
    view: JobView = {
        "id": job.id,
        "task_id": job.task_id,
        "status": _plain(job.status),
        "model": job.model,
        "source": source,
        "progress": job.progress,
        "created_at": rfc3339(job.created_at),
        "updated_at": rfc3339(job.updated_at),
        "deadline": rfc3339(job.deadline),
        "cost": job.cost,
        "key": job.request.key,
        "metadata": job.metadata,
        "result": without_media_fields(job.result) or None,
        "error": error,
        "moderation": moderation,
        "media": media,
        "timeline": _timeline_view([*job.timeline, *events]),
    }
    if job.request.repeats is not None:
        view["repeats"] = job.request.repeats
    return view


def _timeline_view(events: Sequence[TimelineEvent]) -> list[TimelineEventView]:
    """The events, oldest first."""
    in_order = sorted(events, key=lambda event: event.at)
    return [
        {"at": rfc3339(event.at), "event": _plain(event.event), "detail": event.detail}
        for event in in_order
    ]


def _plain(member: Member) -> Member:
    """A member of an enum as a plain string, which is encoded ten times as fast."""
    return cast(Member, member.value)


def file_view(file: MediaFile) -> FileView:
    view: FileView = {
        "role": _plain(file.role),
        "content_type": file.content_type,
        "bytes": file.bytes,
        "sha256": file.sha256,
        "width": file.width,
        "height": file.height,
        "duration": file.seconds,
        "content_credentials": _presence(file.has_content_credentials),
    }
    if file.deleted_at is not None:
        view["deleted_at"] = rfc3339(file.deleted_at)
    return view


def _presence(is_present: bool | None) -> Literal["present", "absent"] | None:
    if is_present is None:
        return None
    if is_present:
        return "present"
    return "absent"


def file_name(job: Job, position: int, key: str) -> str:
    """The ASCII name of a download, as `flux-2-pro-2026-11-21-<short id>.jpg`."""
    model = _slug(job.model or "")[:MODEL_MAX_CHARS] or "media"
    day = rfc3339(job.created_at).partition("T")[0]
    short_id = _slug(job.id)[:SHORT_ID_CHARS]
    number = ""
    if position > 0:
        number = f"-{position + 1}"
    extension = key.partition(".")[2]
    return f"{model}-{day}-{short_id}{number}.{extension}"


def _slug(text: str) -> str:
    return re.sub(r"[^A-Za-z0-9]+", "-", text).strip("-")
