"""JSON sidecars beside the objects: a storage can be restored from them without Redis."""

from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from operator import call
from typing import Any

from pydantic import ValidationError
from pydantic_core import to_json

from jobs import views
from jobs.bfl.parsing import TASK_ID
from jobs.domain.errors import ForeignObject
from jobs.domain.job import Job
from jobs.domain.job_record import MediaFile
from jobs.domain.retention import input_deleted
from jobs.domain.status import Status
from jobs.domain.timeline import TIMELINE_MAX
from jobs.domain.timestamps import rfc3339
from jobs.net import strict_json
from jobs.storage import layout
from jobs.storage.base import MediaStorage
from jobs.store import codec
from jobs.store.job_store import JobStore

Runner = Callable[..., Any]  # runs a call that may wait for a bucket

RACES_MAX = 10
SIDECAR_MAX_BYTES = 256 * 1024
# Other times are not of a job, and some of them cannot be represented.
_EARLIEST = datetime(2000, 1, 1, tzinfo=UTC).timestamp()
_LATEST = datetime(2100, 1, 1, tzinfo=UTC).timestamp()
# Fields that are equal in a record and its view.
_UNCHANGED = ("id", "task_id", "status", "model", "source", "progress", "cost", "metadata")
_PRESENCE = {"present": True, "absent": False, None: None}
_FOREIGN_KEY = "it claims an object that is not its own"
_FOREIGN_THUMBNAIL = "it claims a thumbnail that is not its own"
_FILE_FIELDS = ("key", "content_type", "bytes", "sha256", "width", "height")


def render(job: Job) -> bytes:
    return to_json(document(job), indent=2) + b"\n"


def document(job: Job) -> dict[str, Any]:
    """A job as the API shows it, but with the keys of its objects in place of links."""
    members: dict[str, Any] = {"format": 1}
    members.update(views.base_view(job, _sidecar_files(job.media)))
    members["ended_at"] = rfc3339(job.end)
    members["request"] = job.submission.request_digest
    if job.request.public_input is not None:
        members["input"] = job.request.public_input
        members["input_files"] = _sidecar_files(job.request.input_files)
    return members


def _sidecar_files(files: Iterable[MediaFile]) -> list[dict[str, Any]]:
    return [_sidecar_file(file) for file in files]


def _sidecar_file(file: MediaFile) -> dict[str, Any]:
    members: dict[str, Any] = {"key": file.key}
    members.update(views.file_view(file))
    members["thumbnail"] = None
    if file.thumbnail is not None:
        members["thumbnail"] = {name: getattr(file.thumbnail, name) for name in _FILE_FIELDS}
    return members


def update(store: JobStore, media: MediaStorage, job_id: str, run: Runner = call) -> None:
    """Rewrite the sidecars of a stored job until its record stays the same."""
    previous: Job | None = None
    written = b""
    for _ in range(RACES_MAX):
        job = store.load(job_id)
        if job is None and previous is not None and not store.tombstone(job_id):
            # The record was lost, or its retention is over: the sidecars that stay must not
            # describe an input.
            run(rewrite, media, input_deleted(previous))
        if job is None or job.status is not Status.STORED:
            return
        body = render(job)
        if body == written:
            return
        previous = job
        written = body
        run(rewrite, media, job)


def rewrite(media: MediaStorage, job: Job) -> None:
    """Write the sidecars, except those of objects that were deleted, also meanwhile."""
    body = render(job)
    for file in job.media:
        if media.size(file.key) is None:
            continue
        sidecar_key = layout.sidecar_key(file.key)
        media.write(sidecar_key, body)
        if media.size(file.key) is None:
            media.delete(sidecar_key)


def read(media: MediaStorage, key: str) -> Job:
    """The stored job of an object, by its sidecar. Raises ForeignObject, StorageError."""
    job = _read(media, key)
    if job.status is not Status.STORED:
        raise ForeignObject("its job was not stored yet")
    return job


def read_file(media: MediaStorage, key: str) -> MediaFile | None:
    """The metadata of an object, stored or not; None without a sidecar. Raises StorageError."""
    try:
        job = _read(media, key)
    except ForeignObject:
        return None
    return _present_file(job, key)


def is_stored(media: MediaStorage, key: str) -> bool:
    """Whether the sidecar of an object says that its job was stored. Raises StorageError."""
    try:
        read(media, key)
    except ForeignObject:
        return False
    return True


def _read(media: MediaStorage, key: str) -> Job:
    sidecar_key = layout.sidecar_key(key)
    size = media.size(sidecar_key)
    if size is None:
        raise ForeignObject("there is none")
    if size > SIDECAR_MAX_BYTES:
        raise ForeignObject("it is too large")
    body = b"".join(media.read(sidecar_key))
    job = parse(body, sidecar_key)
    if _present_file(job, key) is None:
        raise ForeignObject("it does not name this object")
    return job


def _present_file(job: Job, key: str) -> MediaFile | None:
    for file in job.present_media:
        if file.key == key:
            return file
    return None


def parse(body: bytes, key: str) -> Job:
    """Parse a sidecar. Raises ForeignObject.

    Anybody who can write to the storage can write sidecars, so that a sidecar counts only for
    the job and the objects that its own key names.
    """
    try:
        view = strict_json.load_object(body, ForeignObject)
        job = codec.ADAPTER.validate_python(_record(view))
    except ValidationError as error:
        first_error = error.errors(include_input=False, include_url=False)[0]
        name = ".".join(str(part) for part in first_error["loc"])
        if not name:
            name = "whole"
        raise ForeignObject(f"its {name} is not what Fluxkeep writes") from None
    except (AttributeError, LookupError, TypeError):
        raise ForeignObject("it lacks what Fluxkeep writes") from None
    except ValueError:
        raise ForeignObject("its times are not what Fluxkeep writes") from None
    if job.status not in (Status.READY, Status.STORED) or len(job.timeline) > TIMELINE_MAX:
        raise ForeignObject("it is not of a stored job")
    _require_own_names(job)
    if key not in [layout.sidecar_key(file.key) for file in job.media]:
        raise ForeignObject("it describes other objects than its own")
    return job


def _record(view: dict[str, Any]) -> dict[str, Any]:
    """The unchecked fields of a record. Raises LookupError, TypeError and the like."""
    if view["format"] != 1:
        raise ForeignObject("its format is not what Fluxkeep writes")
    record: dict[str, Any] = {}
    for name in _UNCHANGED:
        record[name] = view[name]
    for name in ("created_at", "updated_at", "deadline", "ended_at"):
        record[name] = _seconds(view[name])
    record["result"] = view["result"] or {}
    record["media"] = _files(view["media"])
    record["timeline"] = [_event(event_view) for event_view in view["timeline"]]
    record["submission"] = {"request_digest": view["request"]}
    record["request"] = {
        "key": view.get("key"),  # not in sidecars of earlier versions
        "repeats": view.get("repeats"),
        "kept_input": view.get("input"),
        "input_files": _files(view.get("input_files", ())),
    }
    return record


def _event(view: dict[str, Any]) -> dict[str, Any]:
    at = _seconds(view["at"])
    event = dict(view)
    event["at"] = at
    return event


def _files(views_of_files: Iterable[Any]) -> list[dict[str, Any]]:
    return [_file(view) for view in views_of_files]


def _file(view: dict[str, Any]) -> dict[str, Any]:
    file: dict[str, Any] = {}
    for name in _FILE_FIELDS:
        file[name] = view[name]
    file["role"] = view["role"]
    file["seconds"] = view["duration"]
    file["has_content_credentials"] = _PRESENCE[view.get("content_credentials")]
    thumbnail = view["thumbnail"]
    if thumbnail:
        thumbnail = {name: thumbnail[name] for name in _FILE_FIELDS}
    file["thumbnail"] = thumbnail
    file["deleted_at"] = None
    deleted_at = view.get("deleted_at")
    if deleted_at is not None:
        file["deleted_at"] = _seconds(deleted_at)
    return file


def _seconds(text: str) -> float:
    """Unix seconds of an RFC 3339 time. Raises ValueError."""
    at = datetime.fromisoformat(text)
    if at.tzinfo is None:
        raise ValueError("not a time of a job")
    seconds = at.timestamp()
    if seconds < _EARLIEST or seconds >= _LATEST:
        raise ValueError("not a time of a job")
    return seconds


def _require_own_names(job: Job) -> None:
    """Check that each id is one, and each object key one of the job's own. Raises ForeignObject."""
    ids = [job.id]
    if job.task_id:
        ids.append(job.task_id)
    if job.request.repeats:
        ids.append(job.request.repeats)
    for identifier in ids:
        if not TASK_ID.fullmatch(identifier):
            raise ForeignObject("it has an id that is not of a job")
    for file in job.media:
        if file.key != _own_media_key(job, file):
            raise ForeignObject(_FOREIGN_KEY)
        _require_own_thumbnail(file)
    for file in job.request.input_files:
        if file.key != _own_input_key(job, file):
            raise ForeignObject(_FOREIGN_KEY)
        _require_own_thumbnail(file)


def _own_media_key(job: Job, file: MediaFile) -> str | None:
    """The key that a file of the job's result has by its number, token and type; None without."""
    if layout.kind_of(file.key) is not layout.ObjectKind.MEDIA:
        return None
    if file.content_type not in layout.EXTENSIONS:
        return None
    number = layout.file_number_of(file.key)
    token = layout.fencing_token_of(file.key)
    return layout.object_key(job.id, job.created_at, number, token, file.content_type)


def _own_input_key(job: Job, file: MediaFile) -> str | None:
    """The key that a file of the job's input has by its hash and type; None without."""
    if layout.kind_of(file.key) is not layout.ObjectKind.INPUT:
        return None
    if file.content_type not in layout.EXTENSIONS:
        return None
    return layout.input_key(job.id, job.created_at, file.sha256, file.content_type)


def _require_own_thumbnail(file: MediaFile) -> None:
    if file.thumbnail is None:
        return
    is_own_key = file.thumbnail.key == layout.thumbnail_key(file.key)
    if not is_own_key or file.thumbnail.content_type != layout.THUMBNAIL_TYPE:
        raise ForeignObject(_FOREIGN_THUMBNAIL)
