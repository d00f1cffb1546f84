"""Waiting for something to become true, and saying what did not when it never does."""

import time
from collections.abc import Callable, Sized
from functools import partial
from itertools import chain, repeat
from typing import TypeVar

T = TypeVar("T")

PAUSES_SECONDS = (0.005, 0.01, 0.02, 0.05)  # the last is repeated
# Limits are those of an idle machine; a busy or a slow one may take so many times as long.
SLOWEST = 5.0


def wait_for(what: str, probe: Callable[[], T | None], timeout: float = 15.0) -> T:
    """The first truthy answer of `probe`. Raises TimeoutError naming `what`."""
    deadline = time.monotonic() + timeout * SLOWEST
    pauses = chain(PAUSES_SECONDS, repeat(PAUSES_SECONDS[-1]))
    while not (answer := probe()):
        if time.monotonic() >= deadline:
            raise TimeoutError(f"{what}: not within {timeout * SLOWEST:g} s")
        time.sleep(next(pauses))
    return answer


def wait_for_none(what: str, left: Callable[[], Sized], timeout: float = 15.0) -> None:
    """Returns when nothing is left; the time begins anew whenever there is less than before.

    Raises TimeoutError naming `what`.
    """
    while number := len(left()):
        wait_for(f"{what} ({number} left)", partial(_fewer, left, number), timeout)


def _fewer(left: Callable[[], Sized], than: int) -> bool:
    return len(left()) < than
