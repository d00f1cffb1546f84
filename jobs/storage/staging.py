"""Private directory under TMPDIR for files before their upload to a bucket."""

import fcntl
import os
import secrets
import shutil
import stat
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from jobs.errors import StorageError
from jobs.storage.errors import translate_errors

ABANDONED_AFTER_SECONDS = 60.0  # a new directory is not locked yet


@contextmanager
def staged(job_id: str) -> Iterator[Path]:
    """Yield a path for one file (I20); a lock marks it as used while its process lives."""
    with translate_errors():
        delete_abandoned()
        directory = _private_directory() / f"{job_id}.{secrets.token_hex(4)}"
        directory.mkdir(mode=0o700)
        lock = os.open(directory, os.O_RDONLY)
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    try:
        yield directory / "body"
    finally:
        shutil.rmtree(directory, ignore_errors=True)
        os.close(lock)


def list_abandoned() -> list[str]:
    """Return names of files staged by processes that died."""
    return [directory.name for directory in _abandoned()]


def delete_abandoned() -> int:
    """Delete files staged by processes that died; return their number."""
    found = _abandoned()
    for directory in found:
        shutil.rmtree(directory, ignore_errors=True)
    return len(found)


def _abandoned() -> list[Path]:
    with translate_errors():
        horizon = time.time() - ABANDONED_AFTER_SECONDS
        old = [
            directory
            for directory in _private_directory().iterdir()
            if _changed_at(directory) < horizon
        ]
        return [directory for directory in old if not _is_locked(directory)]


def _is_locked(directory: Path) -> bool:
    """Whether its process lives: the kernel frees the locks of a dead one."""
    with suppress(FileNotFoundError):
        lock = os.open(directory, os.O_RDONLY)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        finally:
            os.close(lock)
    return False


def _changed_at(directory: Path) -> float:
    with suppress(FileNotFoundError):
        return directory.stat().st_mtime
    return time.time()


def _private_directory() -> Path:
    """Create a directory that only this user can enter, even where all users may write."""
    directory = Path(tempfile.gettempdir()) / f"fluxkeep-{os.getuid()}"
    directory.mkdir(mode=0o700, exist_ok=True)
    found = directory.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid():
        raise StorageError("the staging directory under TMPDIR belongs to another user")
    return directory
