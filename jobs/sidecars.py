"""JSON sidecars beside the objects: a storage can be restored from them without Redis."""

import re
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
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
from jobs.net import strict_json
from jobs.record import Check, MediaFile, Submission
from jobs.report import Role
from jobs.status import Source, Status
from jobs.storage.base import MediaStorage
from jobs.storage.layout import (
    EXTENSIONS,
    ObjectKind,
    fencing_token_of,
    file_number_of,
    input_key,
    kind_of,
    object_key,
    sidecar_key,
    thumbnail_key,
)
from jobs.store.job_store import JobStore
from jobs.timeline import TIMELINE_MAX, EventCode, TimelineEvent
from jobs.views import SIDECAR_FORMAT, sidecar

RACES_MAX = 10
SIDECAR_MAX_BYTES = 256 * 1024
_OBJECTS_MAX = 64
# Other times are not of a job, and some of them cannot be represented.
_EARLIEST = datetime(2000, 1, 1, tzinfo=UTC).timestamp()
_LATEST = datetime(2100, 1, 1, tzinfo=UTC).timestamp()
_SHA256 = re.compile(r"[0-9a-f]{64}")


def write(media: MediaStorage, job: Job) -> bytes:
    """Write the sidecar of each object of a job, and return its bytes."""
    body = sidecar(job)
    for file in job.media:
        if file.deleted_at is None:
            media.write(sidecar_key(file.key), body)
        else:
            media.delete(sidecar_key(file.key))
    return body


Run = Callable[[Callable[[], bytes]], bytes]


def update(
    store: JobStore, media: MediaStorage, job_id: str, run: Run = lambda call: call()
) -> None:
    """Rewrite the sidecars of a stored job, and repeat while others change its record.

    `run` runs the calls that may wait for a bucket.
    """
    previous, written = None, b""
    for _ in range(RACES_MAX):
        job = store.load(job_id)
        if job is None and previous:
            run(partial(_delete, media, previous))
        if job is None or job.status is not Status.STORED or sidecar(job) == written:
            return
        previous, written = job, run(partial(_rewrite, media, job))


def _rewrite(media: MediaStorage, job: Job) -> bytes:
    """Write the sidecars, except those of objects that were deleted meanwhile."""
    body = sidecar(job)
    for file in job.media:
        if media.size(file.key) is not None:
            media.write(sidecar_key(file.key), body)
    return body


def _delete(media: MediaStorage, job: Job) -> bytes:
    for file in job.media:
        media.delete(sidecar_key(file.key))
    return b""


def _checked_id(job_id: str) -> str:
    if not TASK_ID.fullmatch(job_id):
        raise ValueError("not the id of a job")
    return job_id


def _checked_type(content_type: str) -> str:
    if content_type not in EXTENSIONS:
        raise ValueError("not a type that is stored")
    return content_type


def _seconds(text: Any) -> float:
    """Unix seconds of an RFC 3339 time."""
    at = datetime.fromisoformat(text) if isinstance(text, str) else None
    if at is None or at.tzinfo is None:
        raise ValueError("not a time with its zone")
    seconds = at.timestamp()
    if not _EARLIEST <= seconds < _LATEST:
        raise ValueError("not a time of a job")
    return seconds


JobId = Annotated[str, AfterValidator(_checked_id)]
Time = Annotated[float, BeforeValidator(_seconds)]
Size = Annotated[int, Field(ge=0, le=2**53)]
Pixels = Annotated[int, Field(ge=0, le=2**31)] | None


class _File(BaseModel):
    key: Annotated[str, Field(max_length=512)]
    content_type: Annotated[str, AfterValidator(_checked_type)]
    bytes: Size
    sha256: Annotated[str, Field(pattern=_SHA256.pattern, min_length=64, max_length=64)]
    width: Pixels = None
    height: Pixels = None
    duration: Annotated[float, Field(ge=0)] | None = None
    role: Role = Role.SAMPLE
    thumbnail: "_Thumbnail | None" = None
    deleted_at: Time | None = None

    def as_media_file(self) -> MediaFile:
        fields = self.model_dump(exclude={"duration", "thumbnail"})
        thumbnail = MediaFile(**self.thumbnail.model_dump()) if self.thumbnail else None
        return MediaFile(**fields, seconds=self.duration, thumbnail=thumbnail)


class _Thumbnail(BaseModel):
    key: Annotated[str, Field(max_length=512)]
    content_type: Literal["image/webp"]
    bytes: Size
    sha256: Annotated[str, Field(pattern=_SHA256.pattern, min_length=64, max_length=64)]
    width: Pixels = None
    height: Pixels = None


class _Event(BaseModel):
    at: Time
    event: EventCode
    detail: dict[str, JsonValue] = Field(default_factory=dict)


class _Sidecar(BaseModel):
    """The fields that are read of a sidecar; `jobs/views.py` writes more, for people."""

    model_config = ConfigDict(hide_input_in_errors=True)

    format: Annotated[int, Field(ge=SIDECAR_FORMAT, le=SIDECAR_FORMAT)]
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
    media: Annotated[list[_File], Field(min_length=1, max_length=_OBJECTS_MAX)]
    timeline: Annotated[list[_Event], Field(max_length=TIMELINE_MAX)]
    repeats: JobId | None = None
    input: dict[str, JsonValue] | None = None
    input_files: Annotated[list[_File], Field(max_length=_OBJECTS_MAX)] = []


def parse(body: bytes, key: str) -> Job:
    """Parse the sidecar of a stored job. Raises ForeignObject for anything else."""
    job = _parse(body, key)
    if job.status is not Status.STORED:
        raise ForeignObject("its job was not stored yet")
    return job


def _parse(body: bytes, key: str) -> Job:
    """Parse a sidecar. Raises ForeignObject.

    Anybody who can write to the storage can write sidecars, so that a sidecar counts only for
    the job and the objects that its own key names.
    """
    if len(body) > SIDECAR_MAX_BYTES:
        raise ForeignObject("it is too large")
    try:
        document = _Sidecar.model_validate(strict_json.loads(body, ForeignObject))
    except ValidationError as error:
        raise ForeignObject(_why(error)) from None
    job = _job(document)
    if key not in [sidecar_key(file.key) for file in job.media]:
        raise ForeignObject("it describes other objects than its own")
    return job


def read_job(media: MediaStorage, key: str) -> Job | None:
    """The stored job of an object, by its sidecar. Raises StorageError."""
    job = _load(media, key)
    return job if job and job.status is Status.STORED else None


def read_file(media: MediaStorage, key: str) -> MediaFile | None:
    """The metadata of an object, by its sidecar, whether or not the job was stored."""
    job = _load(media, key)
    return next(file for file in job.present_media if file.key == key) if job else None


def _load(media: MediaStorage, key: str) -> Job | None:
    sidecar = sidecar_key(key)
    size = media.size(sidecar)
    if size is None or size > SIDECAR_MAX_BYTES:
        return None
    try:
        job = _parse(b"".join(media.read(sidecar)), sidecar)
    except ForeignObject:
        return None
    return job if key in [file.key for file in job.present_media] else None


def _why(error: ValidationError) -> str:
    first = error.errors(include_input=False, include_url=False)[0]
    return f"its {'.'.join(map(str, first['loc'])) or 'whole'} is not what Fluxkeep writes"


def _job(document: _Sidecar) -> Job:
    _verify_names(document)
    return Job(
        id=document.id,
        task_id=document.task_id,
        status=document.status,
        source=document.source,
        model=document.model,
        metadata=document.metadata,
        progress=document.progress,
        cost=document.cost,
        quoted_cost=document.quoted_cost,
        result=document.result or {},
        created_at=document.created_at,
        updated_at=document.updated_at,
        deadline=document.deadline,
        media=tuple(file.as_media_file() for file in document.media),
        timeline=tuple(TimelineEvent(one.at, one.event, one.detail) for one in document.timeline),
        check=Check(ended_at=document.ended_at or document.updated_at),
        submission=Submission(
            request_digest=document.request,
            repeats=document.repeats,
            kept_input=document.input,
            input_files=tuple(file.as_media_file() for file in document.input_files),
        ),
    )


def _verify_names(document: _Sidecar) -> None:
    """Check that each object key is one of the job's own. Raises ForeignObject."""
    for file in document.media:
        if not _is_named_by(document, file):
            raise ForeignObject("it claims an object that is not its own")
        if file.thumbnail and file.thumbnail.key != thumbnail_key(file.key):
            raise ForeignObject("it claims a thumbnail that is not its own")
    for file in document.input_files:
        own = input_key(document.id, document.created_at, file.sha256, file.content_type)
        if file.key != own:
            raise ForeignObject("it claims an input that is not its own")


def _is_named_by(document: _Sidecar, file: _File) -> bool:
    if kind_of(file.key) is not ObjectKind.MEDIA:
        return False
    n, token = file_number_of(file.key), fencing_token_of(file.key)
    return file.key == object_key(document.id, document.created_at, n, token, file.content_type)
