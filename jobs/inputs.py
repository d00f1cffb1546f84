"""Inputs kept with their jobs: values on the record, images and long texts as objects.

In the values `input:<n>` stands for the n-th object as base64, and `text:<n>` for its text.
"""

import base64
import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Literal

from jobs.bfl.submissions import without_webhook
from jobs.errors import NotMedia
from jobs.job import Job
from jobs.media_references import replace_texts, texts
from jobs.record import MediaFile
from jobs.report import Role
from jobs.storage.base import MediaStorage
from jobs.storage.layout import OPAQUE, input_key
from jobs.storage.media_types import HEAD_BYTES, content_type

TEXT_MAX_CHARS = 2048  # a longer text becomes an object
VALUES_MAX_BYTES = 8192  # of JSON, on the record
FILES_MAX = 32

_REFERENCE = re.compile(r"(input|text):([0-9]{1,2})", re.ASCII)
# How PNG, JPEG, WebP and GIF begin as base64: however small, images are no values of a record.
_IMAGE = re.compile(r"data:image/|iVBORw0KGgo|/9j/|UklGR|R0lGOD", re.ASCII)
_DATA_URL = re.compile(r"data:[a-z0-9.+/-]{0,64};base64,", re.ASCII | re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class KeptInput:
    """An input without what authenticates callbacks, and its objects."""

    values: Mapping[str, Any]
    files: tuple[MediaFile, ...] = ()

    def on_record(self, job: Job) -> Job:
        return job.with_submission(kept_input=self.values, input_files=self.files)


def of_small(given: Mapping[str, Any]) -> KeptInput | None:
    """The input that needs no objects; None if it does, or is too long."""
    values = without_webhook(given)
    return None if any(_large_texts(values)) else _bounded(values)


def store(storage: MediaStorage, job: Job, given: Mapping[str, Any]) -> KeptInput | None:
    """Store the objects of an input; None if it is too long or has too many.

    Equal objects are stored once. Their names hold their SHA-256, so that a second worker
    writes the same bytes. Raises StorageError.
    """
    values = without_webhook(given)
    found = {text: _decode(text) for text in _large_texts(values)}
    bodies = list(dict.fromkeys(body for _, body in found.values()))
    if len(bodies) > FILES_MAX:  # before any is searched or hashed
        return None
    files = [_describe(job, body) for body in bodies]
    references = {text: f"{kind}:{bodies.index(body)}" for text, (kind, body) in found.items()}
    kept = _bounded(replace_texts(values, references), tuple(files))
    if kept is None:
        return None
    for file, body in zip(files, bodies, strict=True):
        if storage.size(file.key) != file.bytes:
            storage.write(file.key, body)
    return kept


def _describe(job: Job, body: bytes) -> MediaFile:
    try:
        kind = content_type(body[:HEAD_BYTES])
    except NotMedia:
        kind = OPAQUE
    sha256 = hashlib.sha256(body).hexdigest()
    key = input_key(job.id, job.created_at, sha256, kind)
    return MediaFile(key=key, content_type=kind, bytes=len(body), sha256=sha256, role=Role.INPUT)


def load(storage: MediaStorage, job: Job) -> dict[str, Any] | None:
    """The input as it was given, `data:` URLs as plain base64; None if it is not kept any more.

    Raises StorageError.
    """
    kept = job.submission.kept_input
    if kept is None:
        return None
    contents: dict[str, str] = {}
    for reference, encoding, n in _references(kept):
        body = read_file(storage, job, n)
        if body is None:
            return None
        plain = body if encoding == "text" else base64.b64encode(body)
        contents[reference] = plain.decode("utf-8", "replace")
    return dict(replace_texts(kept, contents))


def read_file(storage: MediaStorage, job: Job, n: int) -> bytes | None:
    """The n-th object of a job's input; None if there is none. Raises StorageError."""
    if n >= len(job.submission.input_files):
        return None
    key = job.submission.input_files[n].key
    return None if storage.size(key) is None else b"".join(storage.read(key))


def is_complete(job: Job) -> bool:
    """Whether the objects of the kept input, if there is one, were not deleted with the media."""
    known = len(job.submission.input_files)
    return all(n < known for _, _, n in _references(job.submission.kept_input or {}))


def file_numbers(values: Mapping[str, Any]) -> list[int]:
    """The numbers of the objects that the values hold as base64, in order."""
    return [n for _, encoding, n in _references(values) if encoding == "input"]


def with_texts(storage: MediaStorage, job: Job, values: Mapping[str, Any]) -> dict[str, Any]:
    """Kept values with their long texts, empty where they were deleted. Raises StorageError."""
    found = {
        reference: (read_file(storage, job, n) or b"").decode("utf-8", "replace")
        for reference, encoding, n in _references(values)
        if encoding == "text"
    }
    return dict(replace_texts(values, found))


def with_links(values: Mapping[str, Any], links: list[str]) -> dict[str, Any]:
    """The values with links in place of references; None in place of what was deleted."""
    found = {
        reference: links[n] if n < len(links) else None for reference, _, n in _references(values)
    }
    return dict(replace_texts(values, found))


def _references(values: Mapping[str, Any]) -> Iterator[tuple[str, str, int]]:
    for text in texts(values):
        if found := _REFERENCE.fullmatch(text):
            yield text, found[1], int(found[2])


def _large_texts(values: Mapping[str, Any]) -> Iterator[str]:
    """Images, long strings, and strings that would be mistaken for references."""
    for text in texts(values):
        if len(text) > TEXT_MAX_CHARS or _REFERENCE.fullmatch(text) or _IMAGE.match(text):
            yield text


def _decode(text: str) -> tuple[Literal["input", "text"], bytes]:
    """The bytes of an object, from base64 if encoding them again gives the same text."""
    prefix = _DATA_URL.match(text)
    encoded = text[prefix.end() :] if prefix else text
    with suppress(ValueError):
        body = base64.b64decode(encoded, validate=True)
        if base64.b64encode(body).decode() == encoded:
            return "input", body
    return "text", text.encode()


def _bounded(values: Mapping[str, Any], files: tuple[MediaFile, ...] = ()) -> KeptInput | None:
    size = len(json.dumps(values, ensure_ascii=False).encode())
    return KeptInput(values, files) if size <= VALUES_MAX_BYTES else None
