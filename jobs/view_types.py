"""What users are shown, as types: the status API's description is made from them."""

from collections.abc import Mapping
from typing import Annotated, Any, Generic, NotRequired, TypeVar

from pydantic import Field
from typing_extensions import TypedDict

from jobs.notifications import NotificationType
from jobs.report import Role, Stage
from jobs.status import Source, Status
from jobs.timeline import EventCode

ROLES = (
    "its place in the result; a `draft_cache` is an opaque bundle that `flux-3-video` needs to "
    "finish a draft (`draft_enhance`)"
)
Time = Annotated[str, Field(json_schema_extra={"format": "date-time"})]
Fraction = Annotated[float, Field(description="from 0 to 1, as far as BFL says")]


class Refusal(TypedDict):
    """Why a job failed, expired or was lost."""

    code: Annotated[str, Field(description="short and stable")]
    message: Annotated[str, Field(description="BFL's own words, or ours")]


class Moderated(TypedDict):
    """At which stage BFL refused, and why."""

    stage: Stage
    reasons: list[str]


class File(TypedDict):
    """One file of a result."""

    role: Annotated[Role, Field(description=ROLES)]
    content_type: str
    bytes: int
    sha256: str
    width: Annotated[int | None, Field(description="in pixels")]
    height: Annotated[int | None, Field(description="in pixels")]
    duration: Annotated[float | None, Field(description="of a film, in seconds")]
    deleted_at: NotRequired[Annotated[Time, Field(description="since when it is known to be gone")]]


class Medium(File):
    """One file of a result, and where it can be fetched without a key."""

    url: Annotated[str, Field(description="signed, and dies after LINK_TTL or `link_ttl`")]
    thumbnail_url: Annotated[
        str | None, Field(description="a small WebP; null until it is drawn, and for films")
    ]


class Line(TypedDict):
    """A line of a job's timeline."""

    at: Time
    event: EventCode
    detail: Mapping[str, Any]


Media = TypeVar("Media")


class Portrait(TypedDict, Generic[Media]):
    """One generation, and what became of it."""

    id: Annotated[str, Field(description="the task's id, or a UUID if Fluxkeep submitted it")]
    task_id: Annotated[str | None, Field(description="BFL's identifier, once there is one")]
    status: Status
    model: str | None
    source: Annotated[Source | None, Field(description="who brought the final report")]
    progress: Fraction | None
    created_at: Time
    updated_at: Time
    deadline: Annotated[Time, Field(description="until then it has ended, one way or other")]
    cost: Annotated[float | None, Field(description="in BFL's credits")]
    quoted_cost: NotRequired[
        Annotated[float, Field(description="on submission, where the settled cost differs")]
    ]
    metadata: Annotated[Mapping[str, Any], Field(description="as the caller gave it")]
    result: Annotated[
        Mapping[str, Any] | None, Field(description="BFL's result without its dying URLs")
    ]
    error: Refusal | None
    moderation: Moderated | None
    media: list[Media]
    timeline: Annotated[list[Line], Field(description="oldest first, refused callbacks included")]


Job = Portrait[Medium]


class Notification(TypedDict):
    """What is POSTed when a job has ended."""

    type: NotificationType
    timestamp: Annotated[Time, Field(description="when the job ended")]
    data: Job
