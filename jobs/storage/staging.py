"""A private directory under TMPDIR for bytes on their way into a bucket."""

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

ABANDONED_AFTER_SECONDS = 60.0  # a new directory is not locked at once


@contextmanager
def staged(job_id: str) -> Iterator[Path]:
    """A path for one file, gone afterwards; locked for as long as its process lives."""
    with translate_errors():
        delete_abandoned()
        place = _home() / f"{job_id}.{secrets.token_hex(4)}"
        place.mkdir(mode=0o700)
        lock = os.open(place, os.O_RDONLY)
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    try:
        yield place / "body"
    finally:
        shutil.rmtree(place, ignore_errors=True)
        os.close(lock)


def list_abandoned() -> list[str]:
    """Names of what was staged here by processes that have died."""
    return [place.name for place in _abandoned()]


def delete_abandoned() -> int:
    """Delete what was staged here by processes that have died; returns how many files."""
    found = _abandoned()
    for place in found:
        shutil.rmtree(place, ignore_errors=True)
    return len(found)


def _abandoned() -> list[Path]:
    with translate_errors():
        horizon = time.time() - ABANDONED_AFTER_SECONDS
        old = [place for place in _home().iterdir() if _changed_at(place) < horizon]
        return [place for place in old if not _is_locked(place)]


def _is_locked(place: Path) -> bool:
    """Whether its process lives: the lock of a dead one is free."""
    with suppress(FileNotFoundError):
        lock = os.open(place, os.O_RDONLY)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        finally:
            os.close(lock)
    return False


def _changed_at(place: Path) -> float:
    with suppress(FileNotFoundError):
        return place.stat().st_mtime
    return time.time()


def _home() -> Path:
    """A directory of our own, also where everybody may write."""
    home = Path(tempfile.gettempdir()) / f"fluxkeep-{os.getuid()}"
    home.mkdir(mode=0o700, exist_ok=True)
    found = home.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid():
        raise StorageError("the staging directory under TMPDIR belongs to somebody else")
    return home
