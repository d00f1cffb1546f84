"""Media in a local directory: staged beside the objects, renamed into place, synced to the disk."""

import contextlib
import errno
import logging
import os
import re
import secrets
import stat
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import obstore
from obstore.store import LocalStore

from jobs.storage.base import ListedObject, MediaStorage, day_of, job_id_of, job_key_prefix, kind_of
from jobs.storage.errors import translate_errors

ABANDONED_AFTER_SECONDS = 60.0
CHUNK_BYTES = 256 * 1024
RENAMES_MAX = 3
STAGING = ".staging"
_DAY = tuple(map(re.compile, (r"[0-9]{4}", r"[0-9]{2}", r"[0-9]{2}")))

log = logging.getLogger(__name__)


class LocalStorage(MediaStorage):
    """A directory of media, on a disk or volume that all processes share."""

    def __init__(self, root: Path) -> None:
        self.root = root
        with translate_errors():
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

    def publish(self, staged: Path, key: str, name: str = "") -> None:
        """Rename it into place and sync its directories. A file has no place for `name`."""
        del name
        with translate_errors():
            self._rename_into_place(staged, self._own(key))

    def _rename_into_place(self, staged: Path, path: Path) -> None:
        for attempt in range(RENAMES_MAX):
            path.parent.mkdir(parents=True, exist_ok=True)
            try:
                staged.rename(path)
                break
            except FileNotFoundError:  # a check removed the empty directory in between
                if attempt == RENAMES_MAX - 1:
                    raise
        _sync_directories(path, self.root)

    def write(self, key: str, body: bytes) -> None:
        with translate_errors(), self.staging(Path(key).stem) as staged:
            path = self._own(key)
            with staged.open("xb") as file:
                file.write(body)
                file.flush()
                os.fsync(file.fileno())
            self._rename_into_place(staged, path)

    def size(self, key: str) -> int | None:
        with translate_errors():
            try:
                found = self._own(key).lstat()
            except (FileNotFoundError, NotADirectoryError):
                return None
        return found.st_size if stat.S_ISREG(found.st_mode) else None

    def read(self, key: str, start: int = 0, stop: int | None = None) -> Iterator[bytes]:
        left = float("inf") if stop is None else stop - start
        with translate_errors(), open(self._own(key), "rb", opener=_unled) as file:
            file.seek(start)
            while chunk := file.read(int(min(CHUNK_BYTES, left))):
                left -= len(chunk)
                yield chunk

    def list_objects(self) -> Iterator[ListedObject]:
        yield from _files(self.root, "", _DAY)

    def list_job_objects(self, job_id: str, created_at: float) -> Iterator[ListedObject]:
        day, _, name = job_key_prefix(job_id, created_at).rpartition("/")
        if not self._own(f"{day}/{name}").parent.is_dir():
            return
        for found in _files(self.root / day, f"{day}/", ()):
            if kind_of(found.key) and job_id_of(found.key) == job_id:
                yield found

    def local_path(self, key: str) -> Path | None:
        return self.root / key if self.size(key) is not None else None

    def _own(self, key: str) -> Path:
        """Where an object lies. Raises FileNotFoundError on the way through a link."""
        path = self.root
        for name in key.split("/")[:-1]:
            path /= name
            if path.is_symlink():
                raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))
        return self.root / key

    def delete(self, key: str) -> None:
        with translate_errors(), contextlib.suppress(FileNotFoundError):
            self._own(key)
            obstore.delete(self._objects, key)

    def check(self, size: int) -> None:
        """Leave no new directory of the day either: another user than the worker may check."""
        with translate_errors():
            day = self.root / day_of(time.time())
            new = [path for path in (day, day.parent, day.parent.parent) if not path.exists()]
        try:
            super().check(size)
        finally:
            for path in new:
                with contextlib.suppress(OSError):
                    path.rmdir()
                    _durable.clear()  # the next one may have the same inode

    def delete_abandoned(self) -> int:
        names = self.list_abandoned()
        for name in names:
            with translate_errors():
                (self.root / STAGING / name).unlink(missing_ok=True)
        return len(names)

    def list_abandoned(self) -> list[str]:
        """Staged files nobody has written to for a minute."""
        found = []
        with translate_errors():
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


def _files(
    directory: Path, prefix: str, below: Sequence[re.Pattern[str]]
) -> Iterator[ListedObject]:
    """Only days are walked through, and no links: they lead to what is not ours."""
    for entry in _entries(directory, prefix):
        if entry.is_dir(follow_symlinks=False):
            if below and below[0].fullmatch(entry.name):
                yield from _files(directory / entry.name, f"{prefix}{entry.name}/", below[1:])
        elif entry.is_file(follow_symlinks=False) and not entry.name.startswith("."):
            with translate_errors(), contextlib.suppress(FileNotFoundError):
                size = entry.stat(follow_symlinks=False).st_size
                yield ListedObject(prefix + entry.name, size)


def _entries(directory: Path, prefix: str) -> Iterator[os.DirEntry[str]]:
    """A day that we may not read does not keep us from the others."""
    with translate_errors():
        try:
            entries = os.scandir(directory)
        except PermissionError:
            if not prefix:
                raise
            log.warning("storage: %s cannot be read", prefix)
            return
        with entries:
            yield from entries


def _unled(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NOFOLLOW)


_durable: set[tuple[int, int]] = set()  # directories with a way to them that is on the disk


def _sync_directories(path: Path, root: Path) -> None:
    """A new name is only durable once each directory on the way down to it is.

    Above a directory and the one that it is in, the way is looked after once.
    """
    way: list[tuple[int, int]] = []
    for directory in path.parents:
        which = _sync(directory)
        if way and which in _durable:
            break
        way.append(which)
        if directory == root:
            break
    _durable.update(way)


def _sync(directory: Path) -> tuple[int, int]:
    """Which one that was: its device and inode."""
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
        found = os.fstat(descriptor)
        return found.st_dev, found.st_ino
    finally:
        os.close(descriptor)
