"""Interface of a media storage."""

import hashlib
import secrets
import time
from abc import ABC, abstractmethod
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Literal, NamedTuple

from jobs.domain.errors import StorageError
from jobs.storage import layout
from jobs.storage.error_translation import translate_errors
from jobs.storage.staging import StagingDirectory

Verb = Literal["GET", "HEAD"]


class ListedObject(NamedTuple):
    """An entry of a listing: key and size."""

    key: str
    bytes: int


class ObjectFacts(NamedTuple):
    """Size of an object, and when it was written."""

    bytes: int
    modified_at: datetime


class Space(NamedTuple):
    """Space of a disk for the user that asks; a file system may not count its files."""

    free_bytes: int
    total_bytes: int
    free_files: int | None = None
    is_read_only: bool = False


class MediaStorage(ABC):
    """Media objects by key. Every operation raises StorageError when the storage refuses."""

    @property
    @abstractmethod
    def staging_directory(self) -> StagingDirectory:
        """The directory of files that are not published yet."""

    @contextmanager
    def staging(self, job_id: str) -> Iterator[Path]:
        """Yield a local path for unverified bytes; the file is deleted afterwards."""
        with self.staging_directory.open(job_id) as file:
            yield Path(file.name)

    @abstractmethod
    def publish(self, staged: Path, key: str, name: str = "", sidecar: bytes = b"") -> None:
        """Turn a staged file into the object `key`, which no other worker may write.

        The object appears whole or not at all, after its sidecar if it has one. Both are durable
        when this returns. Browsers save the object under the file name `name`.
        """

    @abstractmethod
    def write(self, key: str, body: bytes) -> None:
        """Write a small companion atomically and durably, replacing an older one."""

    @abstractmethod
    def facts(self, key: str) -> ObjectFacts | None:
        """Return an object's facts without reading the object, or None if it does not exist."""

    def size(self, key: str) -> int | None:
        """Return an object's size in bytes, or None if it does not exist."""
        facts = self.facts(key)
        if facts is None:
            return None
        return facts.bytes

    @abstractmethod
    def read(self, key: str, start: int = 0, stop: int | None = None) -> Iterator[bytes]:
        """Stream an object, or a range of its bytes, in chunks of bounded size."""

    @abstractmethod
    def list_objects(self) -> Iterator[ListedObject]:
        """Stream all objects without hidden names, in no order."""

    @abstractmethod
    def list_objects_of(
        self, job_ids: Collection[str], created_at: float
    ) -> Iterator[ListedObject]:
        """List the objects and companions of jobs of one day: a directory is read once for all."""

    def prove_listing(self) -> bool:
        """Try whether listings are in order. A directory is always read whole.

        Raises StorageError if the storage does not list what it has.
        """
        return True

    @abstractmethod
    def delete(self, key: str) -> None:
        """Delete one object; a missing one is not an error."""

    def copy(self, source: str, key: str) -> None:
        """Copy an object to a key that holds the SHA-256 of its bytes."""
        with self.local_copy(source) as path:
            self.publish(path, key)

    def local_path(self, key: str) -> Path | None:
        """Return an object's path on the local disk, if it has one."""
        del key
        return None

    def presign(self, method: Verb, key: str, seconds: int) -> str | None:
        """Return a URL of the storage that expires, or None if it cannot sign any."""
        del method, key, seconds
        return None

    def space(self) -> Space | None:
        """The space of the disk; None where the storage does not tell it."""
        return None

    def probe(self, size: int) -> None:
        """Publish, read back and delete `size` bytes."""
        body = bytes(size)
        key = f"{layout.day_of(time.time())}/.probe-{secrets.token_hex(8)}"
        with self.staging("probe") as path:
            with translate_errors():
                path.write_bytes(body)
            self.publish(path, key)
        try:
            is_intact = b"".join(self.read(key)) == body
        finally:
            self.delete(key)
        if not is_intact:
            raise StorageError("the bytes that were read differ from those written")

    def sha256(self, key: str) -> str:
        digest = hashlib.sha256()
        for chunk in self.read(key):
            digest.update(chunk)
        return digest.hexdigest()

    @contextmanager
    def local_copy(self, key: str) -> Iterator[Path]:
        path = self.local_path(key)
        if path is not None:
            yield path
            return
        with self.staging(layout.job_id_of(key)) as copy:
            with translate_errors(), copy.open("wb") as file:
                file.writelines(self.read(key))
            yield copy

    def delete_with_companions(self, key: str) -> None:
        """Delete an object, its sidecar and its thumbnail; missing ones are not an error."""
        # The object goes first: a process that writes a sidecar anew looks for its object
        # afterwards.
        self.delete(key)
        for companion in layout.companion_keys(key):
            self.delete(companion)

    def delete_superseded(
        self, job_id: str, created_at: float, token: int, named_keys: Collection[str]
    ) -> None:
        """Delete a job's media of fencing tokens up to `token`, except those in `named_keys`."""
        retained = set(named_keys)
        for key in named_keys:
            retained.update(layout.companion_keys(key))
        for listed in list(self.list_objects_of((job_id,), created_at)):
            is_input = layout.kind_of(listed.key) is layout.ObjectKind.INPUT
            if is_input or listed.key in retained:
                continue
            if layout.fencing_token_of(listed.key) <= token:
                self.delete(listed.key)
