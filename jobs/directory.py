"""Media in a local directory: staged beside the objects, renamed into place, synced to the disk."""

import contextlib
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import obstore
from obstore.exceptions import AlreadyExistsError
from obstore.store import LocalStore

from jobs.complaint import refusals
from jobs.errors import StorageFailed
from jobs.media import STAGING, Found, MediaStore

ABANDONED_AFTER_SECONDS = 60.0
CHUNK_BYTES = 256 * 1024


class Directory(MediaStore):
    """A directory of media, on a disk or volume that all processes share."""

    def __init__(self, root: Path) -> None:
        self.root = root
        with refusals():
            (self.root / STAGING).mkdir(parents=True, exist_ok=True)
            self._objects = LocalStore(self.root)

    @contextmanager
    def staging(self, job_id: str) -> Iterator[Path]:
        """A path in the same file system as the objects."""
        path = self.root / STAGING / f"{job_id}.{secrets.token_hex(4)}"
        try:
            yield path
        finally:
            with contextlib.suppress(OSError):
                path.unlink(missing_ok=True)

    def publish(self, staged: Path, key: str, name: str = "") -> bool:
        """It has survived a power cut when this returns. A file has no place for `name`."""
        del name
        with refusals():
            try:
                obstore.rename(self._objects, f"{STAGING}/{staged.name}", key, overwrite=False)
            except AlreadyExistsError:
                return False
            _sync_directories(self.root / key, self.root)
        return True

    def write(self, key: str, body: bytes) -> None:
        path = self.root / key
        with refusals(), self.staging(path.stem) as staged:
            path.parent.mkdir(parents=True, exist_ok=True)
            with staged.open("xb") as file:
                file.write(body)
                file.flush()
                os.fsync(file.fileno())
            staged.replace(path)
            _sync_directories(path, self.root)

    def size(self, key: str) -> int | None:
        path = self.root / key
        with refusals():
            return path.stat().st_size if path.is_file() else None

    def read(self, key: str, start: int = 0, stop: int | None = None) -> Iterator[bytes]:
        left = float("inf") if stop is None else stop - start
        with refusals(), (self.root / key).open("rb") as file:
            file.seek(start)
            while chunk := file.read(int(min(CHUNK_BYTES, left))):
                left -= len(chunk)
                yield chunk

    def listing(self) -> Iterator[Found]:
        yield from _files(self.root, "")

    def local_path(self, key: str) -> Path:
        return self.root / key

    def remove(self, key: str) -> None:
        with refusals(), contextlib.suppress(FileNotFoundError):
            obstore.delete(self._objects, key)

    def check(self, size: int) -> None:
        body = bytes(size)
        with refusals(), self.staging("check") as path:
            path.write_bytes(body)
            if path.read_bytes() != body:
                raise StorageFailed("what was written cannot be read back")

    def drop_abandoned(self) -> int:
        names = self.abandoned()
        for name in names:
            with refusals():
                (self.root / STAGING / name).unlink(missing_ok=True)
        return len(names)

    def abandoned(self) -> list[str]:
        """Staged files nobody has written to for a minute."""
        found = []
        with refusals():
            horizon = self._now() - ABANDONED_AFTER_SECONDS
            for path in (self.root / STAGING).iterdir():
                with contextlib.suppress(FileNotFoundError):
                    if path.stat().st_mtime < horizon:
                        found.append(path.name)
        return found

    def _now(self) -> float:
        """By the clock that stamps the files: the one of this machine may be wrong."""
        with self.staging("now") as path:
            path.touch()
            return path.stat().st_mtime


def _files(directory: Path, prefix: str) -> Iterator[Found]:
    """Links are not followed: they lead to what is not ours."""
    with refusals(), os.scandir(directory) as entries:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                if prefix or entry.name != STAGING:
                    yield from _files(directory / entry.name, f"{prefix}{entry.name}/")
            elif entry.is_file(follow_symlinks=False):
                with contextlib.suppress(FileNotFoundError):
                    size = entry.stat(follow_symlinks=False).st_size
                    yield Found(prefix + entry.name, size)


def _sync_directories(path: Path, root: Path) -> None:
    """A new name is only durable once each directory on the way down to it is."""
    for directory in path.parents:
        _sync(directory)
        if directory == root:
            return


def _sync(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
