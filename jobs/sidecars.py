"""JSON sidecars beside the objects: a storage explains itself without Redis."""

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
from jobs.serializer import FORMAT, sidecar
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
from jobs.store.job_store import JobStore
from jobs.timeline import TIMELINE_MAX, EventCode, TimelineEvent

RACES_MAX = 10


def write(media: MediaStorage, job: Job) -> bytes:
    """Write what a job looks like beside each object it has; returns what was written."""
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
    """Describe a stored job again after its record was changed, as long as others change it.

    `run` makes the calls that may wait for a bucket.
    """
    with_details, written = None, b""
    for _ in range(RACES_MAX):
        job = store.load(job_id)
        if job is None and with_details:
            run(partial(_take_back, media, with_details))
        if job is None or job.status is not Status.STORED or sidecar(job) == written:
            return
        with_details, written = job, run(partial(_describe_again, media, job))


def _describe_again(media: MediaStorage, job: Job) -> bytes:
    """Nothing is written beside an object that somebody has deleted meanwhile."""
    body = sidecar(job)
    for file in job.media:
        if media.size(file.key) is not None:
            media.write(sidecar_key(file.key), body)
    return body


def _take_back(media: MediaStorage, forgotten: Job) -> bytes:
    for file in forgotten.media:
        media.delete(sidecar_key(file.key))
    return b""


SIDECAR_MAX_BYTES = 256 * 1024
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


class _File(BaseModel):
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


class _Event(BaseModel):
    at: Time
    event: EventCode
    detail: dict[str, JsonValue] = Field(default_factory=dict)


class _Sidecar(BaseModel):
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
    media: Annotated[list[_File], Field(min_length=1, max_length=_OBJECTS_MAX)]
    timeline: Annotated[list[_Event], Field(max_length=TIMELINE_MAX)]


def parse(body: bytes, key: str) -> Job:
    """The stored job that a sidecar under this key describes. Raises NotOurs for anything else."""
    job = _parse(body, key)
    if job.status is not Status.STORED:
        raise ForeignObject("its job was not stored yet")
    return job


def _parse(body: bytes, key: str) -> Job:
    """The job as a sidecar describes it. Raises NotOurs.

    Anybody who can write to the storage can write sidecars: one is believed only about the job
    and the objects that its own key names.
    """
    if len(body) > SIDECAR_MAX_BYTES:
        raise ForeignObject("it is too large")
    try:
        note = _Sidecar.model_validate(strict_json.loads(body, ForeignObject))
    except ValidationError as error:
        raise ForeignObject(_why(error)) from None
    job = _job(note)
    if key not in [sidecar_key(file.key) for file in job.media]:
        raise ForeignObject("it tells of other objects than the one it stands beside")
    return job


def read_job(media: MediaStorage, key: str) -> Job | None:
    """The stored job that has this object, by its sidecar. Raises StorageFailed."""
    job = _load(media, key)
    return job if job and job.status is Status.STORED else None


def read_file(media: MediaStorage, key: str) -> MediaFile | None:
    """The file that this object is, by its sidecar, whether or not the job was stored."""
    job = _load(media, key)
    return next(file for file in job.kept if file.key == key) if job else None


def _load(media: MediaStorage, key: str) -> Job | None:
    sidecar = sidecar_key(key)
    size = media.size(sidecar)
    if size is None or size > SIDECAR_MAX_BYTES:
        return None
    try:
        job = _parse(b"".join(media.read(sidecar)), sidecar)
    except ForeignObject:
        return None
    return job if key in [file.key for file in job.kept] else None


def _why(error: ValidationError) -> str:
    first = error.errors(include_input=False, include_url=False)[0]
    return f"its {'.'.join(map(str, first['loc'])) or 'whole'} is not what Fluxkeep writes"


def _job(note: _Sidecar) -> Job:
    _verify_names(note)
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


def _verify_names(note: _Sidecar) -> None:
    """Objects are named by their job, the day and a number. Raises NotOurs."""
    for medium in note.media:
        if not _is_named_by(note, medium):
            raise ForeignObject("it claims an object that is not its own")
        if medium.thumbnail and medium.thumbnail.key != thumbnail_key(medium.key):
            raise ForeignObject("it claims a thumbnail that is not its own")


def _is_named_by(note: _Sidecar, medium: _File) -> bool:
    if kind_of(medium.key) is not ObjectKind.MEDIA:
        return False
    n, token = file_number_of(medium.key), fencing_token_of(medium.key)
    return medium.key == object_key(note.id, note.created_at, n, token, medium.content_type)
