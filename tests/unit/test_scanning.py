"""Hostile files are scanned in bounded time, and never hold up the other threads."""

import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from worker.formats import sniff

SIZE_BYTES = 8 * 2**20
SECONDS_MAX = 20.0  # on a busy machine; an hour and more where a run of FF was read again and again
GIL_SECONDS_MAX = 5.0

HOSTILE: dict[str, tuple[str, Callable[[int], bytes]]] = {
    "a run of FF": ("image/jpeg", lambda n: b"\xff\xd8" + b"\xff" * n),
    "runs of FF 00": ("image/jpeg", lambda n: b"\xff\xd8" + b"\xff\x00" * (n // 2)),
    "FF and restart markers": (
        "image/jpeg",
        lambda n: b"\xff\xd8" + b"\xff\xff\xd0" * (n // 3),
    ),
    "segments without a length": (
        "image/jpeg",
        lambda n: b"\xff\xd8" + b"\xff\xe0\x00\x00" * (n // 4),
    ),
    "zeros": ("image/jpeg", lambda n: b"\xff\xd8\xff" + bytes(n)),
    "empty boxes": ("video/mp4", lambda n: b"\x00\x00\x00\x08ftyp" * (n // 8)),
    "a PNG of FF": ("image/png", lambda n: b"\x89PNG\r\n\x1a\n" + b"\xff" * n),
    "a WebP of FF": ("image/webp", lambda n: b"RIFF" + b"\xff" * n),
}


@pytest.mark.parametrize(("kind", "made"), HOSTILE.values(), ids=HOSTILE)
def test_scans_have_bounded_time(tmp_path: Path, kind: str, made: Callable[[int], bytes]) -> None:
    path = tmp_path / "hostile"
    path.write_bytes(made(SIZE_BYTES))
    gaps = Gaps()
    with gaps:
        began = time.monotonic()
        assert not sniff.is_complete(path, kind)
        sniff.dimensions(path, kind)
        assert time.monotonic() - began < SECONDS_MAX
    assert gaps.longest < GIL_SECONDS_MAX


class Gaps:
    """How long another thread was kept from running."""

    def __init__(self) -> None:
        self.longest = 0.0
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def _run(self) -> None:
        last = time.monotonic()
        while not self._over.wait(sys.getswitchinterval()):
            now = time.monotonic()
            self.longest, last = max(self.longest, now - last), now

    def __enter__(self) -> "Gaps":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()


@pytest.mark.parametrize("at", range(sniff.WINDOW_BYTES - 4, sniff.WINDOW_BYTES + 4))
def test_an_end_marker_is_found_wherever_a_window_ends(tmp_path: Path, at: int) -> None:
    path = tmp_path / "image"
    path.write_bytes(b"\xff\xd8" + b"\x00" * at + b"\xff\xff\xd9" + b"\x00" * 20)
    assert sniff.is_complete(path, "image/jpeg")
