"""JSON sidecars beside the objects: a storage can be restored from them without Redis."""

from collections.abc import Callable
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
# Fields that a record and its view have alike.
_UNCHANGED = ("id", "task_id", "status", "model", "source", "progress", "cost", "metadata")
_PRESENCE = {"present": True, "absent": False, None: None}
_FILE_FIELDS = ("key", "content_type", "bytes", "sha256", "width", "height")


def render(job: Job) -> bytes:
    return to_json(document(job), indent=2) + b"\n"


def document(job: Job) -> dict[str, Any]:
    """A job as the API shows it, but with the keys of its objects in place of links."""
    found: dict[str, Any] = {
        "format": 1,
        **views.base_view(job, [_sidecar_file(file) for file in job.media]),
        "ended_at": rfc3339(job.end),
        "request": job.submission.request_digest,
    }
    if job.request.public_input is not None:
        found["input"] = job.request.public_input
        found["input_files"] = [_sidecar_file(file) for file in job.request.input_files]
    return found


def _sidecar_file(file: MediaFile) -> dict[str, Any]:
    thumbnail = file.thumbnail and {name: getattr(file.thumbnail, name) for name in _FILE_FIELDS}
    return {"key": file.key, **views.file_view(file), "thumbnail": thumbnail}


def update(store: JobStore, media: MediaStorage, job_id: str, run: Runner = call) -> None:
    """Rewrite the sidecars of a stored job until its record stays the same."""
    previous, written = None, b""
    for _ in range(RACES_MAX):
        job = store.load(job_id)
        if job is None and previous and not store.tombstone(job_id):
            # It was lost, or its retention is over: what stays must not describe an input.
            run(rewrite, media, input_deleted(previous))
        if job is None or job.status is not Status.STORED or render(job) == written:
            return
        previous, written = job, render(job)
        run(rewrite, media, job)


def rewrite(media: MediaStorage, job: Job) -> None:
    """Write the sidecars, except those of objects that were deleted, also meanwhile."""
    body = render(job)
    for file in job.media:
        if media.size(file.key) is not None:
            media.write(layout.sidecar_key(file.key), body)
            if media.size(file.key) is None:
                media.delete(layout.sidecar_key(file.key))


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
    return next(file for file in job.present_media if file.key == key)


def is_stored(media: MediaStorage, key: str) -> bool:
    """Whether the sidecar of an object says that its job was stored. Raises StorageError."""
    try:
        read(media, key)
    except ForeignObject:
        return False
    return True


def _read(media: MediaStorage, key: str) -> Job:
    name = layout.sidecar_key(key)
    size = media.size(name)
    if size is None:
        raise ForeignObject("there is none")
    if size > SIDECAR_MAX_BYTES:
        raise ForeignObject("it is too large")
    job = parse(b"".join(media.read(name)), name)
    if key not in [file.key for file in job.present_media]:
        raise ForeignObject("it does not name this object")
    return job


def parse(body: bytes, key: str) -> Job:
    """Parse a sidecar. Raises ForeignObject.

    Anybody who can write to the storage can write sidecars, so that a sidecar counts only for
    the job and the objects that its own key names.
    """
    try:
        job = codec.ADAPTER.validate_python(_record(strict_json.load_object(body, ForeignObject)))
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        name = ".".join(map(str, first["loc"])) or "whole"
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
    return {
        **{name: view[name] for name in _UNCHANGED},
        **{name: _seconds(view[name]) for name in ("created_at", "updated_at", "deadline")},
        "result": view["result"] or {},
        "media": [_file(one) for one in view["media"]],
        "timeline": [{**event, "at": _seconds(event["at"])} for event in view["timeline"]],
        "ended_at": _seconds(view["ended_at"]),
        "submission": {"request_digest": view["request"]},
        "request": {
            "key": view.get("key"),  # not in those of earlier versions
            "repeats": view.get("repeats"),
            "kept_input": view.get("input"),
            "input_files": [_file(one) for one in view.get("input_files", ())],
        },
    }


def _file(view: dict[str, Any]) -> dict[str, Any]:
    deleted_at, thumbnail = view.get("deleted_at"), view["thumbnail"]
    return {
        **{name: view[name] for name in (*_FILE_FIELDS, "role")},
        "seconds": view["duration"],
        "has_content_credentials": _PRESENCE[view.get("content_credentials")],
        "thumbnail": thumbnail and {name: thumbnail[name] for name in _FILE_FIELDS},
        "deleted_at": None if deleted_at is None else _seconds(deleted_at),
    }


def _seconds(text: str) -> float:
    """Unix seconds of an RFC 3339 time. Raises ValueError."""
    at = datetime.fromisoformat(text)
    seconds = at.timestamp() if at.tzinfo else 0.0
    if not _EARLIEST <= seconds < _LATEST:
        raise ValueError("not a time of a job")
    return seconds


def _require_own_names(job: Job) -> None:
    """Check that each id is one, and each object key one of the job's own. Raises ForeignObject."""
    ids = (job.id, job.task_id or job.id, job.request.repeats or job.id)
    if not all(map(TASK_ID.fullmatch, ids)):
        raise ForeignObject("it has an id that is not of a job")
    for file in (*job.media, *job.request.input_files):
        kind = layout.ObjectKind.MEDIA if file in job.media else layout.ObjectKind.INPUT
        key = None
        if layout.kind_of(file.key) is kind and file.content_type in layout.EXTENSIONS:
            key = layout.input_key(job.id, job.created_at, file.sha256, file.content_type)
            if kind is layout.ObjectKind.MEDIA:
                n, token = layout.file_number_of(file.key), layout.fencing_token_of(file.key)
                key = layout.object_key(job.id, job.created_at, n, token, file.content_type)
        if file.key != key:
            raise ForeignObject("it claims an object that is not its own")
        own = (layout.thumbnail_key(file.key), layout.THUMBNAIL_TYPE)
        if file.thumbnail and (file.thumbnail.key, file.thumbnail.content_type) != own:
            raise ForeignObject("it claims a thumbnail that is not its own")
