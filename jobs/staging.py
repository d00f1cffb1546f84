"""A private directory under TMPDIR for bytes on their way into a bucket."""

import contextlib
import fcntl
import os
import secrets
import shutil
import stat
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from jobs.complaint import refusals
from jobs.errors import StorageFailed

ABANDONED_AFTER_SECONDS = 60.0


@contextmanager
def staged(job_id: str) -> Iterator[Path]:
    """A path for one file, gone afterwards. As long as it is held, nobody calls it abandoned."""
    with refusals():
        drop_abandoned()
        place = _home() / f"{job_id}.{secrets.token_hex(4)}"
        place.mkdir(mode=0o700)
        hold = os.open(place, os.O_RDONLY)
        fcntl.flock(hold, fcntl.LOCK_EX | fcntl.LOCK_NB)
    try:
        yield place / "body"
    finally:
        shutil.rmtree(place, ignore_errors=True)
        os.close(hold)


def drop_abandoned() -> int:
    """Delete what was staged here by somebody who died; returns how many files."""
    with refusals():
        # Only the dead let go of a lock; a name just made may not be locked yet.
        horizon = time.time() - ABANDONED_AFTER_SECONDS
        return sum(map(_dropped, [one for one in _home().iterdir() if _age(one) < horizon]))


def _dropped(place: Path) -> bool:
    with contextlib.suppress(OSError):
        hold = os.open(place, os.O_RDONLY)
        try:
            fcntl.flock(hold, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(place)
        finally:
            os.close(hold)
        return True
    return False


def _age(place: Path) -> float:
    with contextlib.suppress(FileNotFoundError):
        return place.stat().st_mtime
    return time.time()


def _home() -> Path:
    """A directory of our own, also where everybody may write."""
    home = Path(tempfile.gettempdir()) / f"fluxkeep-{os.getuid()}"
    home.mkdir(mode=0o700, exist_ok=True)
    found = home.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid():
        raise StorageFailed("the staging directory under TMPDIR belongs to somebody else")
    return home
