"""Watch over an SQLite file that may be replaced beneath running processes, which damages it.

The log of the file that was there is applied to the one in its place: SQLite cannot tell them
apart. The sweep looks before each pass. A mark beside the file tells the other processes.
"""

import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

PAUSE_FACTOR = 50.0  # checks take a fiftieth of the time, however large the file is
SUFFIX = "-damaged"  # of the mark, which holds the identity of the damaged file

DAMAGED = "its file is damaged, or was replaced while it was open (docs/archive.md)"


class FileState(NamedTuple):
    """A file as `stat` shows it."""

    device: int
    inode: int
    size: int
    changed_at: int  # nanoseconds

    @property
    def identity(self) -> str:
        return f"{self.device} {self.inode}"


class FileWatch:
    """Watches the file of one database; `is_intact` examines it."""

    def __init__(self, path: Path, is_intact: Callable[[Path], bool]) -> None:
        self._path = path
        self._is_intact = is_intact
        self._mark = path.with_name(path.name + SUFFIX)
        self._last_state: FileState | None = None
        self._next_check_at = 0.0

    def is_marked(self) -> bool:
        """Whether some process has found that the present file is damaged."""
        try:
            identity = self._mark.read_text()
        except OSError:
            return False
        state = self._state()
        return state is not None and state.identity == identity

    def mark(self) -> None:
        """Have every process know that the file is damaged, and the sweep check it."""
        state = self._state()
        if state is not None:
            with suppress(OSError):  # on a full disk this process alone knows it
                self._mark.write_text(state.identity)

    def check_if_changed(self, before_check: Callable[[], None]) -> bool:
        """Check a file that has changed since the last look; return whether it is intact.

        `before_check` closes connections: they may remember pages of another file.
        """
        state = self._state()
        if state is None:
            return True  # a connection makes it
        if state == self._last_state and not self._mark.exists():
            return True
        if not self._is_check_due(state):
            return not self.is_marked()
        before_check()
        began_at = time.monotonic()
        is_intact = self._is_intact(self._path)
        seconds = time.monotonic() - began_at
        self._next_check_at = time.monotonic() + seconds * PAUSE_FACTOR
        self._last_state = self._state()
        if is_intact:
            self._mark.unlink(missing_ok=True)
        else:
            self.mark()
        return is_intact

    def _is_check_due(self, state: FileState) -> bool:
        last = self._last_state
        is_another_file = last is None or last.identity != state.identity
        # Fluxkeep never makes its file smaller.
        is_smaller = last is not None and state.size < last.size
        if is_another_file or is_smaller:
            return True
        return time.monotonic() >= self._next_check_at

    def _state(self) -> FileState | None:
        try:
            status = self._path.stat()
        except OSError:
            return None
        return FileState(status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns)
