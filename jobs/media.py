"""What a storage of media can do: objects come in whole and verified, and are never overwritten."""

import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Literal, NamedTuple

EXTENSIONS = {"image/jpeg": "jpg", "image/png": "png", "image/webp": "webp", "video/mp4": "mp4"}
STAGING = ".staging"
_OURS = re.compile(
    r"[0-9]{4}/[0-9]{2}/[0-9]{2}/[A-Za-z0-9_-]{1,128}-[0-9]{1,3}"
    rf"\.({'|'.join(EXTENSIONS.values())}|json|thumb\.webp)"
)
Verb = Literal["GET", "HEAD"]


def object_key(job_id: str, created_at: float, n: int, content_type: str) -> str:
    """`YYYY/MM/DD/<job id>-<n>.<ext>`, by the day the job was created (UTC)."""
    day = datetime.fromtimestamp(created_at, UTC).strftime("%Y/%m/%d")
    return f"{day}/{job_id}-{n}.{EXTENSIONS[content_type]}"


def content_type_of(key: str) -> str:
    """The content type an object, or what stands beside it, was given its extension for."""
    extension = key.rpartition(".")[2]
    found = (kind for kind, known in EXTENSIONS.items() if known == extension)
    return next(found, "application/json")


def sidecar_key(key: str) -> str:
    """The small `.json` beside an object, which tells of its job."""
    return f"{key.rpartition('.')[0]}.json"


def thumbnail_key(key: str) -> str:
    """The picture beside an object that shows it small."""
    return f"{key.rpartition('.')[0]}.thumb.webp"


def job_id_of(key: str) -> str:
    """Whose object, or what stands beside one, this is."""
    return key.rpartition("/")[2].rpartition("-")[0]


def companions(key: str) -> tuple[str, ...]:
    """What stands beside an object and goes with it."""
    return sidecar_key(key), thumbnail_key(key)


class Part(StrEnum):
    """What a key stands for."""

    OBJECT = "object"
    NOTE = "note"
    THUMBNAIL = "thumbnail"


def part(key: str) -> Part | None:
    """What of ours this key is; None for what is not ours."""
    if not _OURS.fullmatch(key):
        return None
    if key.endswith(".json"):
        return Part.NOTE
    return Part.THUMBNAIL if key.endswith(".thumb.webp") else Part.OBJECT


def possible_objects(companion: str) -> tuple[str, ...]:
    """The keys of objects that this may stand beside."""
    stem = companion.removesuffix(".json").removesuffix(".thumb.webp")
    return tuple(f"{stem}.{extension}" for extension in EXTENSIONS.values())


class Found(NamedTuple):
    """What a listing says of an object: its key and how many bytes it has."""

    key: str
    bytes: int


class MediaStore(ABC):
    """Every operation raises StorageFailed when the storage refuses."""

    @abstractmethod
    def staging(self, job_id: str) -> AbstractContextManager[Path]:
        """A path of the local disk for bytes that are not verified yet, gone afterwards."""

    @abstractmethod
    def publish(self, staged: Path, key: str, name: str = "") -> bool:
        """Make a staged file the object `key`; False if that object was there already.

        The staged file must have been written through to the disk. The object appears whole or
        not at all, and is there to stay when this returns. Browsers save it as `name`.
        """

    @abstractmethod
    def write(self, key: str, body: bytes) -> None:
        """Put a small companion in its place, whole, over whatever stood there."""

    @abstractmethod
    def size(self, key: str) -> int | None:
        """How many bytes an object has; None when there is no such object."""

    @abstractmethod
    def read(self, key: str, start: int = 0, stop: int | None = None) -> Iterator[bytes]:
        """An object's bytes, or a part of them, in pieces of bounded size."""

    @abstractmethod
    def listing(self) -> Iterator[Found]:
        """Everything that is there but what is staged, in no order, piece by piece."""

    @abstractmethod
    def remove(self, key: str) -> None:
        """Delete this one object; one that is not there is fine."""

    @abstractmethod
    def check(self, size: int) -> None:
        """Write, read back and delete some bytes. Raises StorageFailed saying why not."""

    @abstractmethod
    def abandoned(self) -> list[str]:
        """Staged bytes that nobody works on any more, by names to be shown."""

    @abstractmethod
    def drop_abandoned(self) -> int:
        """Delete staged bytes that nobody works on any more; returns how many files."""

    def local_path(self, key: str) -> Path | None:
        """Where an object lies on the local disk, if it does."""
        del key
        return None

    def presigned(self, method: Verb, key: str, seconds: int) -> str | None:
        """A URL of the storage's own that anybody may use for so long; None if it cannot sign."""
        del method, key, seconds
        return None

    def existing(self, job_id: str, created_at: float, n: int) -> tuple[str, str] | None:
        """Key and content type of a file that an earlier worker published but did not commit."""
        for content_type in EXTENSIONS:
            key = object_key(job_id, created_at, n, content_type)
            if self.size(key) is not None:
                return key, content_type
        return None

    def delete(self, key: str) -> None:
        """Delete an object and what stands beside it; what is not there is fine."""
        # The object last: as long as it is there, whoever broke off is seen to have more to do.
        for each in (*companions(key), key):
            self.remove(each)

    def drop_uncommitted(
        self,
        job_id: str,
        created_at: float,
        files: int,
        spares: Callable[[str], bool] = lambda _key: False,
    ) -> None:
        """Delete what was published for a job that has it on no record, but for what is spared."""
        for n in range(files):
            found = self.existing(job_id, created_at, n)
            if found and spares(found[0]):
                continue
            # Also what was put beside an object that somebody else has deleted meanwhile.
            self.delete(found[0] if found else object_key(job_id, created_at, n, "image/jpeg"))
