"""Staging directory: files before they are verified and published.

A process that dies leaves its files behind. They are abandoned once nobody has written to them for
a minute; where the volume has locks, only if their process has ended.
"""

import fcntl
import os
import secrets
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from jobs.domain.errors import StorageError
from jobs.storage.error_translation import translate_errors

ABANDONED_AFTER_SECONDS = 60.0


class StagingDirectory:
    """Files of all processes that stage in this directory."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @contextmanager
    def open(self, name: str) -> Iterator[IO[bytes]]:
        """Yield a new, empty file; it is deleted afterwards unless it was renamed."""
        path = self.path / f"{name}.{secrets.token_hex(4)}"
        with translate_errors():
            file = path.open("x+b")
        with file:
            _lock(file)
            try:
                yield file
            finally:
                with suppress(OSError):
                    path.unlink(missing_ok=True)

    def list_abandoned(self) -> list[Path]:
        with translate_errors(), self.open("clock") as probe:
            # The clock of the file system: it may differ from this machine's.
            horizon = os.fstat(probe.fileno()).st_mtime - ABANDONED_AFTER_SECONDS
            return [path for path in self.path.iterdir() if _is_abandoned(path, horizon)]

    def delete_abandoned(self) -> int:
        abandoned = self.list_abandoned()
        with translate_errors():
            for path in abandoned:
                path.unlink(missing_ok=True)
        return len(abandoned)


def _is_abandoned(path: Path, horizon: float) -> bool:
    try:
        if path.stat().st_mtime >= horizon:
            return False
        with path.open("r+b") as file:
            return _lock(file)
    except FileNotFoundError:
        return False


def _lock(file: IO[bytes]) -> bool:
    """Lock a file until it is closed; False if another process has locked it."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:  # a network volume without locks
        return True
    return True


def temporary_directory() -> StagingDirectory:
    """Create a directory under TMPDIR that only this user can enter."""
    with translate_errors():
        directory = Path(tempfile.gettempdir()) / f"fluxkeep-{os.getuid()}"
        directory.mkdir(mode=0o700, exist_ok=True)
        status = directory.lstat()
    if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.getuid():
        raise StorageError("the staging directory under TMPDIR belongs to another user")
    return StagingDirectory(directory)
