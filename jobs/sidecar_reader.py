"""Read the `.json` beside an object: to restore a record, or to recover a worker's file."""

import re
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    JsonValue,
    ValidationError,
)

from jobs.bfl.parsing import TASK_ID
from jobs.errors import ForeignObject
from jobs.job import Job
from jobs.media_file import MediaFile, Role
from jobs.net import strict_json
from jobs.record import Check, Submission
from jobs.serializer import FORMAT
from jobs.status import Source, Status
from jobs.storage.base import MediaStorage
from jobs.storage.layout import (
    EXTENSIONS,
    ObjectKind,
    fencing_token_of,
    file_number_of,
    kind_of,
    object_key,
    sidecar_key,
    thumbnail_key,
)
from jobs.timeline import TIMELINE_MAX, EventCode, TimelineEvent

NOTE_MAX_BYTES = 256 * 1024
_OBJECTS_MAX = 64
# No job was born outside of these years, and not every time can be written down.
_EARLIEST = datetime(2000, 1, 1, tzinfo=UTC).timestamp()
_LATEST = datetime(2100, 1, 1, tzinfo=UTC).timestamp()
_SHA256 = re.compile(r"[0-9a-f]{64}")


def _named(job_id: str) -> str:
    if not TASK_ID.fullmatch(job_id):
        raise ValueError("no id of a job")
    return job_id


def _kind(content_type: str) -> str:
    if content_type not in EXTENSIONS:
        raise ValueError("no type that is kept")
    return content_type


def _seconds(text: Any) -> float:
    """Unix seconds of an RFC 3339 time."""
    at = datetime.fromisoformat(text) if isinstance(text, str) else None
    if at is None or at.tzinfo is None:
        raise ValueError("no time")
    seconds = at.timestamp()
    if not _EARLIEST <= seconds < _LATEST:
        raise ValueError("no time of a job")
    return seconds


JobId = Annotated[str, AfterValidator(_named)]
Time = Annotated[float, BeforeValidator(_seconds)]
Size = Annotated[int, Field(ge=0, le=2**53)]
Pixels = Annotated[int, Field(ge=0, le=2**31)] | None


class _Medium(BaseModel):
    key: Annotated[str, Field(max_length=512)]
    content_type: Annotated[str, AfterValidator(_kind)]
    bytes: Size
    sha256: Annotated[str, Field(pattern=_SHA256.pattern, min_length=64, max_length=64)]
    width: Pixels = None
    height: Pixels = None
    duration: Annotated[float, Field(ge=0)] | None = None
    role: Role = Role.SAMPLE
    thumbnail: "_Thumbnail | None" = None
    deleted_at: Time | None = None

    def kept(self) -> MediaFile:
        known = self.model_dump(exclude={"duration", "thumbnail"})
        small = MediaFile(**self.thumbnail.model_dump()) if self.thumbnail else None
        return MediaFile(**known, seconds=self.duration, thumbnail=small)


class _Thumbnail(BaseModel):
    key: Annotated[str, Field(max_length=512)]
    content_type: Literal["image/webp"]
    bytes: Size
    sha256: Annotated[str, Field(pattern=_SHA256.pattern, min_length=64, max_length=64)]
    width: Pixels = None
    height: Pixels = None


class _Line(BaseModel):
    at: Time
    event: EventCode
    detail: dict[str, JsonValue] = Field(default_factory=dict)


class _Note(BaseModel):
    """What `jobs/serializer.py` writes; whatever else stands there is for people."""

    model_config = ConfigDict(hide_input_in_errors=True)

    format: Annotated[int, Field(ge=FORMAT, le=FORMAT)]
    id: JobId
    task_id: JobId | None = None
    status: Literal[Status.READY, Status.STORED]
    model: Annotated[str, Field(max_length=200)] | None = None
    source: Source | None = None
    progress: float | None = None
    created_at: Time
    updated_at: Time
    ended_at: Time | None = None
    deadline: Time
    request: Annotated[str, Field(max_length=64)] | None = None
    cost: float | None = None
    quoted_cost: float | None = None
    metadata: dict[str, JsonValue] = Field(default_factory=dict)
    result: dict[str, JsonValue] | None = None
    media: Annotated[list[_Medium], Field(min_length=1, max_length=_OBJECTS_MAX)]
    timeline: Annotated[list[_Line], Field(max_length=TIMELINE_MAX)]


def read(body: bytes, key: str) -> Job:
    """The stored job that a sidecar under this key describes. Raises NotOurs for anything else."""
    job = _read(body, key)
    if job.status is not Status.STORED:
        raise ForeignObject("its job was not stored yet")
    return job


def _read(body: bytes, key: str) -> Job:
    """The job as a sidecar describes it. Raises NotOurs.

    Anybody who can write to the storage can write sidecars: one is believed only about the job
    and the objects that its own key names.
    """
    if len(body) > NOTE_MAX_BYTES:
        raise ForeignObject("it is too large")
    try:
        note = _Note.model_validate(strict_json.loads(body, ForeignObject))
    except ValidationError as error:
        raise ForeignObject(_why(error)) from None
    job = _job(note)
    if key not in [sidecar_key(file.key) for file in job.media]:
        raise ForeignObject("it tells of other objects than the one it stands beside")
    return job


def beside(media: MediaStorage, key: str) -> Job | None:
    """The stored job that has this object, by its sidecar. Raises StorageFailed."""
    job = _described(media, key)
    return job if job and job.status is Status.STORED else None


def file_beside(media: MediaStorage, key: str) -> MediaFile | None:
    """The file that this object is, by its sidecar, whether or not the job was stored."""
    job = _described(media, key)
    return next(file for file in job.kept if file.key == key) if job else None


def _described(media: MediaStorage, key: str) -> Job | None:
    sidecar = sidecar_key(key)
    size = media.size(sidecar)
    if size is None or size > NOTE_MAX_BYTES:
        return None
    try:
        job = _read(b"".join(media.read(sidecar)), sidecar)
    except ForeignObject:
        return None
    return job if key in [file.key for file in job.kept] else None


def _why(error: ValidationError) -> str:
    first = error.errors(include_input=False, include_url=False)[0]
    return f"its {'.'.join(map(str, first['loc'])) or 'whole'} is not what Fluxkeep writes"


def _job(note: _Note) -> Job:
    _believe(note)
    return Job(
        id=note.id,
        task_id=note.task_id,
        status=note.status,
        source=note.source,
        model=note.model,
        metadata=note.metadata,
        progress=note.progress,
        cost=note.cost,
        quoted_cost=note.quoted_cost,
        result=note.result or {},
        created_at=note.created_at,
        updated_at=note.updated_at,
        deadline=note.deadline,
        media=tuple(medium.kept() for medium in note.media),
        timeline=tuple(TimelineEvent(line.at, line.event, line.detail) for line in note.timeline),
        check=Check(ended_at=note.ended_at or note.updated_at),
        submission=Submission(request_digest=note.request),
    )


def _believe(note: _Note) -> None:
    """Objects are named by their job, the day and a number. Raises NotOurs."""
    for medium in note.media:
        if not _is_named_by(note, medium):
            raise ForeignObject("it claims an object that is not its own")
        if medium.thumbnail and medium.thumbnail.key != thumbnail_key(medium.key):
            raise ForeignObject("it claims a thumbnail that is not its own")


def _is_named_by(note: _Note, medium: _Medium) -> bool:
    if kind_of(medium.key) is not ObjectKind.MEDIA:
        return False
    n, token = file_number_of(medium.key), fencing_token_of(medium.key)
    return medium.key == object_key(note.id, note.created_at, n, token, medium.content_type)
