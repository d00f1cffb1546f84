"""Few at a time ask Redis on behalf of the many that wait: hundreds wake in the same moment."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from jobs.errors import StoreUnavailable

AT_ONCE = 8
IN_VAIN_SECONDS = 1.0


class Turns:
    """So many connections to Redis are used at most, and a Redis that hangs is tried by so many."""

    def __init__(self, at_once: int = AT_ONCE) -> None:
        self._free = threading.BoundedSemaphore(at_once)
        self._failed_at = float("-inf")

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Raises StoreUnavailable at once when those before have just waited in vain."""
        came = time.monotonic()
        with self._free:
            failed = self._failed_at
            if failed > came or time.monotonic() - failed < IN_VAIN_SECONDS:
                raise StoreUnavailable
            try:
                yield
            except StoreUnavailable:
                self._failed_at = time.monotonic()
                raise
