"""Turns: only so many requests of a process do at once what takes memory; the others wait."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from jobs.errors import TooManyWaiting

WAIT_SECONDS = 30.0


class Turns:
    def __init__(self, most: int) -> None:
        self._places = threading.BoundedSemaphore(most)

    @contextmanager
    def take(self) -> Iterator[None]:
        """Raises TooManyWaiting after WAIT_SECONDS."""
        if not self._places.acquire(timeout=WAIT_SECONDS):
            raise TooManyWaiting("Too many large inputs at once: send it again.")
        try:
            yield
        finally:
            self._places.release()
