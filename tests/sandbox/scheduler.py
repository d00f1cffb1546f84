"""Scheduler of delayed calls: one thread and a heap."""

import heapq
import time
import traceback
from collections.abc import Callable
from itertools import count
from threading import Condition, Thread


class Scheduler:
    """Calls must be short; long work belongs in the callback sender's thread pool."""

    def __init__(self) -> None:
        self._due: list[tuple[float, int, Callable[[], None]]] = []
        self._order = (
            count()
        )  # calls of the same time run in the order in which they were scheduled
        self._changed = Condition()
        self._stopped = False
        self._thread = Thread(target=self._run, name="sandbox-scheduler", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def after(self, seconds: float, call: Callable[[], None]) -> None:
        with self._changed:
            heapq.heappush(self._due, (time.monotonic() + seconds, next(self._order), call))
            self._changed.notify()

    def stop(self) -> None:
        with self._changed:
            self._stopped = True
            self._changed.notify()
        self._thread.join()

    def _run(self) -> None:
        while call := self._next():
            try:
                call()
            except Exception:  # noqa: BLE001 - one failing call must not stop the others
                traceback.print_exc()

    def _next(self) -> Callable[[], None] | None:
        """Wait for the next call; None after `stop`."""
        with self._changed:
            while not self._stopped:
                wait = self._due[0][0] - time.monotonic() if self._due else None
                if wait is not None and wait <= 0:
                    return heapq.heappop(self._due)[2]
                self._changed.wait(wait)
            return None
