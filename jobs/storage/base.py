"""The interface of a media storage, and the names of the objects in it."""

import contextlib
import hashlib
import os
import re
import secrets
import time
from abc import ABC, abstractmethod
from collections.abc import Collection, Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Literal, NamedTuple

from jobs.errors import StorageError
from jobs.storage.errors import translate_errors

OPAQUE = "application/octet-stream"  # kept whole without a look at the bytes, never shown inline
EXTENSIONS = {
    "image/jpeg": "jpg",
    "image/png": "png",
    "image/webp": "webp",
    "video/mp4": "mp4",
    OPAQUE: "bin",
}
_OURS = re.compile(
    r"[0-9]{4}/[0-9]{2}/[0-9]{2}/[A-Za-z0-9_-]{1,128}-[0-9]{1,3}-[0-9]{1,20}"
    rf"\.({'|'.join(EXTENSIONS.values())}|json|thumb\.webp)"
)
Verb = Literal["GET", "HEAD"]


def object_key(job_id: str, created_at: float, n: int, token: int, content_type: str) -> str:
    """`YYYY/MM/DD/<job id>-<n>-<fencing token>.<ext>`, by the day the job was created (UTC).

    No two workers have the same token, so that none of them ever writes the name of another.
    """
    return f"{job_key_prefix(job_id, created_at)}{n}-{token}.{EXTENSIONS[content_type]}"


def job_key_prefix(job_id: str, created_at: float) -> str:
    """The beginning of the keys of all objects of a job."""
    return f"{day_of(created_at)}/{job_id}-"


def day_of(at: float) -> str:
    """The directory of the objects of jobs that were created on this day (UTC)."""
    return datetime.fromtimestamp(at, UTC).strftime("%Y/%m/%d")


def content_type_of(key: str) -> str:
    """The content type that belongs to the extension of a key."""
    extension = key.rpartition(".")[2]
    found = (kind for kind, known in EXTENSIONS.items() if known == extension)
    return next(found, "application/json")


def sidecar_key(key: str) -> str:
    """The `.json` beside an object, which describes its job."""
    return f"{_stem(key)}.json"


def thumbnail_key(key: str) -> str:
    """The thumbnail beside an object."""
    return f"{_stem(key)}.thumb.webp"


def job_id_of(key: str) -> str:
    """The id of the job that an object or a companion of one belongs to."""
    return key.rpartition("/")[2].rsplit("-", 2)[0]


def file_number_of(key: str) -> int:
    """The place of an object among the files of its job."""
    return int(_stem(key).rsplit("-", 2)[1])


def fencing_token_of(key: str) -> int:
    """The fencing token of the worker that wrote an object."""
    return int(_stem(key).rsplit("-", 1)[1])


def _stem(key: str) -> str:
    directory, slash, name = key.rpartition("/")
    return f"{directory}{slash}{name.partition('.')[0]}"


def companion_keys(key: str) -> tuple[str, ...]:
    """The keys that belong to an object and are deleted with it."""
    return sidecar_key(key), thumbnail_key(key)


class ObjectKind(StrEnum):
    """The kinds of keys that Fluxkeep writes."""

    MEDIA = "media"
    SIDECAR = "sidecar"
    THUMBNAIL = "thumbnail"


def kind_of(key: str) -> ObjectKind | None:
    """The kind of a key; None for one that Fluxkeep does not write."""
    if not _OURS.fullmatch(key):
        return None
    if key.endswith(".json"):
        return ObjectKind.SIDECAR
    return ObjectKind.THUMBNAIL if key.endswith(".thumb.webp") else ObjectKind.MEDIA


def possible_object_keys(companion: str) -> tuple[str, ...]:
    """The keys of objects that this may stand beside."""
    return tuple(f"{_stem(companion)}.{extension}" for extension in EXTENSIONS.values())


class ListedObject(NamedTuple):
    """An entry of a listing: a key and its size."""

    key: str
    bytes: int


class MediaStorage(ABC):
    """Every operation raises StorageFailed when the storage refuses."""

    @abstractmethod
    def staging(self, job_id: str) -> AbstractContextManager[Path]:
        """A path of the local disk for bytes that are not verified yet, gone afterwards."""

    @abstractmethod
    def publish(self, staged: Path, key: str, name: str = "") -> None:
        """Make a staged file the object `key`, which nobody else may write.

        The staged file must have been written through to the disk. The object appears whole or
        not at all, and is there to stay when this returns. Browsers save it as `name`.
        """

    @abstractmethod
    def write(self, key: str, body: bytes) -> None:
        """Write a small companion whole, over the one that may be there."""

    @abstractmethod
    def size(self, key: str) -> int | None:
        """The size of an object; None when there is no such object."""

    @abstractmethod
    def read(self, key: str, start: int = 0, stop: int | None = None) -> Iterator[bytes]:
        """An object's bytes, or a part of them, in pieces of bounded size."""

    @abstractmethod
    def list_objects(self) -> Iterator[ListedObject]:
        """Everything that is there but hidden names, in no order, piece by piece."""

    @abstractmethod
    def list_job_objects(self, job_id: str, created_at: float) -> Iterator[ListedObject]:
        """The objects and companions of one job."""

    @abstractmethod
    def delete(self, key: str) -> None:
        """Delete this one object; one that is not there is fine."""

    @abstractmethod
    def list_abandoned(self) -> list[str]:
        """Names of staged files whose writer is gone."""

    @abstractmethod
    def delete_abandoned(self) -> int:
        """Delete staged files whose writer is gone; returns how many."""

    def local_path(self, key: str) -> Path | None:
        """Where an object lies on the local disk, if it does."""
        del key
        return None

    def presign(self, method: Verb, key: str, seconds: int) -> str | None:
        """A URL of the storage's own that anybody may use for so long; None if it cannot sign."""
        del method, key, seconds
        return None

    def check(self, size: int) -> None:
        """Publish, read back and delete some bytes. Raises StorageFailed saying why not."""
        body, key = bytes(size), f"{day_of(time.time())}/.check-{secrets.token_hex(8)}"
        with self.staging("check") as path:
            with translate_errors(), path.open("xb") as file:
                file.write(body)
                file.flush()
                os.fsync(file.fileno())
            self.publish(path, key)
        try:
            _expect(b"".join(self.read(key)), body)
        except StorageError:
            with contextlib.suppress(StorageError):
                self.delete(key)
            raise
        self.delete(key)

    def sha256(self, key: str) -> str:
        """SHA-256 of an object's bytes, in hex."""
        digest = hashlib.sha256()
        for piece in self.read(key):
            digest.update(piece)
        return digest.hexdigest()

    @contextmanager
    def local_copy(self, key: str) -> Iterator[Path]:
        """An object as a file of this machine."""
        if path := self.local_path(key):
            yield path
            return
        with self.staging(job_id_of(key)) as copy:
            with translate_errors(), copy.open("xb") as file:
                file.writelines(self.read(key))
            yield copy

    def delete_with_companions(self, key: str) -> None:
        """Delete an object and its companions; one that is not there is fine."""
        # The object last: as long as it is there, an interrupted deletion can be seen.
        for each in (*companion_keys(key), key):
            self.delete(each)

    def delete_superseded(
        self, job_id: str, created_at: float, token: int, named: Collection[str]
    ) -> None:
        """Delete what workers up to this fencing token wrote for a job, but for `named` objects.

        A later claim has a higher token, so that its objects are out of reach.
        """
        kept = {each for key in named for each in (key, *companion_keys(key))}
        for found in list(self.list_job_objects(job_id, created_at)):
            if fencing_token_of(found.key) <= token and found.key not in kept:
                self.delete(found.key)


def _expect(read: bytes, written: bytes) -> None:
    if read != written:
        raise StorageError("what was written cannot be read back")
