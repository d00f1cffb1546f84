"""How much memory processes take at most while something goes on, read from /proc as it does."""

import contextlib
import re
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

PAUSE_SECONDS = 0.01
MB = 1_000_000


class Peak:
    """The most that was seen, in bytes."""

    def __init__(self) -> None:
        self.bytes = 0

    def see(self, pids: Iterable[int]) -> None:
        self.bytes = max(self.bytes, sum(map(proportional, pids)))


@contextmanager
def watched(pids: Callable[[], Iterable[int]]) -> Iterator[Peak]:
    """Inside, the processes that `pids` names are looked at a hundred times a second."""
    peak, over = Peak(), threading.Event()

    def look() -> None:
        while not over.wait(PAUSE_SECONDS):
            peak.see(pids())

    peak.see(pids())
    thread = threading.Thread(target=look)
    thread.start()
    try:
        yield peak
    finally:
        over.set()
        thread.join()


def proportional(pid: int) -> int:
    """Resident bytes, those that a fork shares with others divided among them; 0 when it ended."""
    found = None
    with contextlib.suppress(OSError):
        text = Path(f"/proc/{pid}/smaps_rollup").read_text()
        found = re.search(r"^Pss:\s+(\d+) kB", text, re.MULTILINE)
    return int(found[1]) * 1024 if found else 0
