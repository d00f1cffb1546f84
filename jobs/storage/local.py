"""Media in a local directory: staged in the same file system, renamed into place, synced."""

import contextlib
import errno
import logging
import os
import re
import stat
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

from jobs.storage.base import ListedObject, MediaStorage, ObjectFacts, Space
from jobs.storage.error_translation import translate_errors
from jobs.storage.layout import day_of, job_id_of, kind_of, sidecar_key
from jobs.storage.staging import StagingDirectory

CHUNK_BYTES = 256 * 1024
RENAMES_MAX = 4
STAGING = ".staging"
_YEAR = re.compile(r"[0-9]{4}")
_TWO_DIGITS = re.compile(r"[0-9]{2}")
# The names of directories from the root down to the objects: year, month, day.
_LEVELS = (_YEAR, _TWO_DIGITS, _TWO_DIGITS)

log = logging.getLogger(__name__)


class LocalStorage(MediaStorage):
    """A directory on a disk or volume that all processes share."""

    def __init__(self, root: Path) -> None:
        self.root = root
        with translate_errors():
            (self.root / STAGING).mkdir(parents=True, exist_ok=True)

    @property
    def staging_directory(self) -> StagingDirectory:
        """The staging directory, in the file system of the objects."""
        return StagingDirectory(self.root / STAGING)

    def publish(self, staged: Path, key: str, name: str = "", sidecar: bytes = b"") -> None:
        """Rename a whole file into place (I20) and sync its directories; `name` is not stored."""
        del name
        with translate_errors():
            path = self._path(key)
            if sidecar:
                with ThreadPoolExecutor(1) as pool:  # both syncs wait for the disk at once
                    syncing = pool.submit(_sync, staged)
                    sidecar_path = self._path(sidecar_key(key))
                    self._write(sidecar_path, (sidecar,), before_rename=syncing.result)
            else:
                _sync(staged)
            _rename_into_place(staged, path)
            _sync_directories(path, self.root)

    def write(self, key: str, body: bytes) -> None:
        with translate_errors():
            path = self._path(key)
            self._write(path, (body,))
            _sync_directories(path, self.root)

    def _write(
        self,
        path: Path,
        chunks: Iterable[bytes],
        before_rename: Callable[[], object] | None = None,
    ) -> None:
        with self.staging_directory.open(path.stem) as staged:
            staged.writelines(chunks)
            staged.flush()
            _sync(Path(staged.name))
            if before_rename:
                before_rename()
            _rename_into_place(Path(staged.name), path)

    def copy(self, source: str, key: str) -> None:
        """Give the file a second name; copy it where that is not possible."""
        with translate_errors():
            path = self._path(key)
            try:
                os.link(self._path(source), path, follow_symlinks=False)
            except OSError:  # it exists, is the first of its day, or the volume has no hard links
                self._write(path, self.read(source))
            _sync_directories(path, self.root)

    def facts(self, key: str) -> ObjectFacts | None:
        with translate_errors():
            try:
                status = self._path(key).lstat()
            except (FileNotFoundError, NotADirectoryError):
                self._require_mounted()
                return None
        if not stat.S_ISREG(status.st_mode):
            return None
        return ObjectFacts(status.st_size, datetime.fromtimestamp(status.st_mtime, UTC))

    def read(self, key: str, start: int = 0, stop: int | None = None) -> Iterator[bytes]:
        with translate_errors(), open(self._path(key), "rb", opener=_open_without_links) as file:
            file.seek(start)
            position = start
            while True:
                size = CHUNK_BYTES
                if stop is not None:
                    size = min(size, stop - position)
                chunk = file.read(size)
                if not chunk:
                    return
                position += len(chunk)
                yield chunk

    def list_objects(self) -> Iterator[ListedObject]:
        yield from _files(self.root, "", _LEVELS)

    def list_objects_of(
        self, job_ids: Collection[str], created_at: float
    ) -> Iterator[ListedObject]:
        day = day_of(created_at)
        with translate_errors():
            if not self._path(f"{day}/any").parent.is_dir():
                self._require_mounted()
                return
        # A directory of a day that cannot be read is an error here.
        for listed in _files(self.root / day, "", (), job_ids):
            key = f"{day}/{listed.key}"
            if kind_of(key):
                yield ListedObject(key, listed.bytes)

    def local_path(self, key: str) -> Path | None:
        if self.size(key) is None:
            return None
        return self.root / key

    def _path(self, key: str) -> Path:
        """Return an object's path. Raises FileNotFoundError if a directory is a symbolic link."""
        path = self.root
        for name in key.split("/")[:-1]:
            path /= name
            if path.is_symlink():
                raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))
        return self.root / key

    def delete(self, key: str) -> None:
        with translate_errors():
            try:
                self._path(key).unlink()
            except FileNotFoundError:
                self._require_mounted()

    def _require_mounted(self) -> None:
        """Raise FileNotFoundError if not only an object is missing but the whole volume."""
        (self.root / STAGING).stat()

    def space(self) -> Space | None:
        """Some network volumes call everything 0."""
        with translate_errors():
            volume = os.statvfs(self.root)
        if not volume.f_blocks:
            return None
        free_bytes = volume.f_bavail * volume.f_frsize
        total_bytes = volume.f_blocks * volume.f_frsize
        free_files = None
        if volume.f_files:
            free_files = volume.f_favail
        is_read_only = bool(volume.f_flag & os.ST_RDONLY)
        return Space(free_bytes, total_bytes, free_files, is_read_only)

    def probe(self, size: int) -> None:
        """Remove directories that the probe created: its user may differ from the worker's."""
        with translate_errors():
            day = self.root / day_of(time.time())
            directories = (day, day.parent, day.parent.parent)
            missing = [directory for directory in directories if not directory.exists()]
        try:
            super().probe(size)
        finally:
            for directory in missing:
                with contextlib.suppress(OSError):
                    directory.rmdir()
            _synced.clear()  # another process may remove them, too


def _rename_into_place(staged: Path, path: Path) -> None:
    for _ in range(RENAMES_MAX - 1):
        with contextlib.suppress(FileNotFoundError):  # a new day, or `probe` removed it when empty
            staged.rename(path)
            return
        path.parent.mkdir(parents=True, exist_ok=True)
        _synced.clear()  # a new directory may get the inode of a removed one
    staged.rename(path)


def _files(
    directory: Path,
    prefix: str,
    levels: Sequence[re.Pattern[str]],
    job_ids: Collection[str] | None = None,
) -> Iterator[ListedObject]:
    """Walk directories of days, `levels` deep, and yield their files.

    Symbolic links lead to foreign files and are skipped, as is a directory below the root that
    cannot be read. With `job_ids` only files of these jobs are looked at: a directory may have a
    million others.
    """
    with translate_errors():
        try:
            entries = os.scandir(directory)
        except PermissionError:
            if not prefix:
                raise
            log.warning("storage: %s cannot be read", prefix)
            return
        with entries:
            for entry in entries:
                name = entry.name
                if job_ids is not None and job_id_of(name) not in job_ids:
                    continue
                if entry.is_dir(follow_symlinks=False):
                    if levels and levels[0].fullmatch(name):
                        yield from _files(directory / name, f"{prefix}{name}/", levels[1:])
                elif entry.is_file(follow_symlinks=False) and not name.startswith("."):
                    with contextlib.suppress(FileNotFoundError):
                        size = entry.stat(follow_symlinks=False).st_size
                        yield ListedObject(prefix + name, size)


def _open_without_links(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NOFOLLOW)


_synced: set[tuple[int, int]] = set()  # device and inode of directories whose ancestors are synced


def _sync_directories(path: Path, root: Path) -> None:
    """Sync the directories above a new file, which make its name durable, each once."""
    identities: list[tuple[int, int]] = []
    for directory in path.parents:
        identity = _sync(directory)
        if identity in _synced:
            break
        identities.append(identity)
        if directory == root:
            break
    _synced.update(identities)


def _sync(path: Path) -> tuple[int, int]:
    """Sync a file or directory; return its device and inode."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
        status = os.fstat(descriptor)
        return status.st_dev, status.st_ino
    finally:
        os.close(descriptor)
