"""Looks after dead processes in the background, as a platform's supervisor does."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

PAUSE_SECONDS = 0.2


class Supervision:
    """Calls `revive` again and again while it is switched on.

    Its thread lasts until `close`: on Linux a process ends with the thread that started it.
    """

    def __init__(self, revive: Callable[[], None]) -> None:
        self._revive = revive
        self._on = threading.Event()
        self._closed = threading.Event()
        self._busy = threading.Lock()
        self._thread: threading.Thread | None = None

    @contextmanager
    def switched_on(self) -> Iterator[None]:
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="supervision", daemon=True)
            self._thread.start()
        self._on.set()
        try:
            yield
        finally:
            self._on.clear()
            # Nothing is half started when this returns.
            with self._busy:
                pass

    def close(self) -> None:
        self._closed.set()
        self._on.set()
        if self._thread is not None:
            self._thread.join()

    def _run(self) -> None:
        while self._on.wait() and not self._closed.is_set():
            with self._busy:
                if self._on.is_set():
                    self._revive()
            self._closed.wait(PAUSE_SECONDS)
