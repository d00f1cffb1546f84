"""The storage its owner controls: files come in whole and verified, and are never overwritten."""

import contextlib
import os
import re
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import unquote, urlsplit

import obstore
from obstore.exceptions import AlreadyExistsError, BaseError
from obstore.store import LocalStore

from jobs.errors import InvalidSettings, StorageFailed

EXTENSIONS = {"image/jpeg": "jpg", "image/png": "png", "image/webp": "webp", "video/mp4": "mp4"}
ABANDONED_AFTER_SECONDS = 60.0
PIECE_BYTES = 2**20
_STAGING = ".staging"
_OS_ERROR = re.compile(r"\(os error ([0-9]+)\)")


def object_key(job_id: str, created_at: float, n: int, content_type: str) -> str:
    """`YYYY/MM/DD/<job id>-<n>.<ext>`, by the day the job was created (UTC)."""
    day = datetime.fromtimestamp(created_at, UTC).strftime("%Y/%m/%d")
    return f"{day}/{job_id}-{n}.{EXTENSIONS[content_type]}"


class MediaStore:
    """A directory of media. Every operation raises StorageFailed when the storage refuses."""

    def __init__(self, url: str) -> None:
        if urlsplit(url).scheme != "file":
            raise InvalidSettings("MEDIA_URL: only file:/// can be used so far")
        self.root = Path(unquote(urlsplit(url).path))
        with refusals():
            (self.root / _STAGING).mkdir(parents=True, exist_ok=True)
            self._objects = LocalStore(self.root)

    @contextmanager
    def staging(self, job_id: str) -> Iterator[Path]:
        """A path beside the objects for bytes that are not verified yet, gone afterwards."""
        path = self.root / _STAGING / f"{job_id}.{secrets.token_hex(4)}"
        try:
            yield path
        finally:
            with contextlib.suppress(OSError):
                path.unlink(missing_ok=True)

    def publish(self, staged: Path, key: str) -> bool:
        """Make a staged file the object `key`; False if that object was there already.

        The staged file must have been written through to the disk. The object appears whole or
        not at all, and has survived a power cut when this returns.
        """
        with refusals():
            try:
                obstore.rename(self._objects, f"{_STAGING}/{staged.name}", key, overwrite=False)
            except AlreadyExistsError:
                return False
            _sync_directories(self.root / key, self.root)
        return True

    def existing(self, job_id: str, created_at: float, n: int) -> tuple[str, str] | None:
        """Key and content type of a file that an earlier worker published but did not commit."""
        for content_type in EXTENSIONS:
            key = object_key(job_id, created_at, n, content_type)
            if (self.root / key).exists():
                return key, content_type
        return None

    def drop_uncommitted(self, job_id: str, created_at: float, files: int) -> None:
        """Delete what was published for a job that has it on no record."""
        for n in range(files):
            if found := self.existing(job_id, created_at, n):
                self.delete(found[0])

    def read(self, key: str) -> Iterator[bytes]:
        """The bytes of an object, piece by piece."""
        with refusals(), (self.root / key).open("rb") as file:
            while piece := file.read(PIECE_BYTES):
                yield piece

    def local_path(self, key: str) -> Path:
        return self.root / key

    def delete(self, key: str) -> None:
        """Delete an object; one that is not there is fine."""
        with refusals(), contextlib.suppress(FileNotFoundError):
            obstore.delete(self._objects, key)

    def check(self, size: int) -> None:
        """Write, read back and delete a file of some bytes. Raises StorageFailed saying why not."""
        body = bytes(size)
        with refusals(), self.staging("check") as path:
            path.write_bytes(body)
            if path.read_bytes() != body:
                raise StorageFailed("what was written cannot be read back")

    def drop_abandoned(self) -> int:
        """Delete staged files nobody has written to for a minute; returns how many."""
        dropped = 0
        with refusals():
            horizon = self._now() - ABANDONED_AFTER_SECONDS
            for path in (self.root / _STAGING).iterdir():
                with contextlib.suppress(FileNotFoundError):
                    if path.stat().st_mtime < horizon:
                        path.unlink()
                        dropped += 1
        return dropped

    def _now(self) -> float:
        """By the clock that stamps the files: the one of this machine may be wrong."""
        with self.staging("now") as path:
            path.touch()
            return path.stat().st_mtime


def _sync_directories(path: Path, root: Path) -> None:
    """A new name is only durable once each directory on the way down to it is."""
    for directory in path.parents:
        descriptor = os.open(directory, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        if directory == root:
            return


@contextmanager
def refusals() -> Iterator[None]:
    """Turn what a disk or bucket says no with into StorageFailed, without a trace of paths."""
    try:
        yield
    except (OSError, BaseError) as error:
        raise StorageFailed(_reason(error)) from None


def _reason(error: OSError | BaseError) -> str:
    """What the system says, without the paths that obstore puts around it."""
    number = error.errno if isinstance(error, OSError) else None
    if number is None and (found := _OS_ERROR.search(str(error))):
        number = int(found[1])
    return os.strerror(number) if number is not None else type(error).__name__
