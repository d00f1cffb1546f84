"""Peak memory of processes, sampled from /proc."""

import contextlib
import re
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

PAUSE_SECONDS = 0.01
MB = 1_000_000


class Peak:
    """Largest sample in bytes."""

    def __init__(self) -> None:
        self.bytes = 0

    def sample(self, pids: Iterable[int]) -> None:
        self.bytes = max(self.bytes, sum(map(proportional, pids)))


@contextmanager
def peak_memory(pids: Callable[[], Iterable[int]]) -> Iterator[Peak]:
    """Sample the processes of `pids()` a hundred times a second inside the block."""
    peak, stopped = Peak(), threading.Event()

    def run() -> None:
        while not stopped.wait(PAUSE_SECONDS):
            peak.sample(pids())

    peak.sample(pids())
    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield peak
    finally:
        stopped.set()
        thread.join()


def proportional(pid: int) -> int:
    """Proportional set size in bytes; 0 when the process has ended."""
    found = None
    with contextlib.suppress(OSError):
        text = Path(f"/proc/{pid}/smaps_rollup").read_text()
        found = re.search(r"^Pss:\s+(\d+) kB", text, re.MULTILINE)
    return int(found[1]) * 1024 if found else 0
