"""Waiting for something to become true, and saying what did not when it never does."""

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

PAUSE_SECONDS = 0.05


def wait_for(what: str, probe: Callable[[], T | None], timeout: float = 15.0) -> T:
    """The first truthy answer of `probe`. Raises TimeoutError naming `what`."""
    deadline = time.monotonic() + timeout
    while True:
        if answer := probe():
            return answer
        if time.monotonic() >= deadline:
            raise TimeoutError(f"{what}: not within {timeout:g} s")
        time.sleep(PAUSE_SECONDS)
