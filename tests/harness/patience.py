"""Waiting for something to become true, and saying what did not when it never does."""

import time
from collections.abc import Callable, Sequence, Sized
from functools import partial
from typing import TypeVar

import requests

from tests.harness.process import Process

T = TypeVar("T")

PAUSE_MIN_SECONDS, PAUSE_MAX_SECONDS = 0.01, 0.25
PAUSE_SHARE = 0.1  # of the time that was waited: who waits for long need not ask often
# Limits are those of an idle machine; a busy or a slow one may take so many times as long.
SLOWEST = 5.0
TICK_SECONDS = 0.05


def wait_for(what: str, probe: Callable[[], T | None], timeout: float = 15.0) -> T:
    """The first truthy answer of `probe`. Raises TimeoutError naming `what`."""
    began = asked_at = time.monotonic()
    while not (answer := probe()):
        answered_at = time.monotonic()
        waited, took = answered_at - began, answered_at - asked_at
        if waited >= timeout * SLOWEST:
            raise TimeoutError(f"{what}: not within {timeout * SLOWEST:g} s")
        # A dear question takes half of a processor at most.
        time.sleep(min(max(waited * PAUSE_SHARE, took, PAUSE_MIN_SECONDS), PAUSE_MAX_SECONDS))
        asked_at = time.monotonic()
    return answer


def exit_codes(processes: Sequence[Process], seconds: float) -> list[int]:
    """The exit codes of processes, all of which end within these seconds. Raises TimeoutError.

    A look counts as a tick, however late it comes: a machine that stands still stops this clock.
    """
    ticks_left = round(seconds / TICK_SECONDS)
    codes = []
    for process in processes:
        while (code := process.exit_code) is None:
            if ticks_left <= 0:
                raise TimeoutError(f"{process.name} runs after {seconds:g} s:\n{process.output()}")
            ticks_left -= 1
            time.sleep(TICK_SECONDS)
        codes.append(code)
    return codes


def answers(url: str, timeout: float = 30.0) -> bool:
    """Whether a server answers with success."""
    try:
        return requests.get(url, timeout=timeout).ok
    except requests.RequestException:
        return False


def wait_for_none(what: str, left: Callable[[], Sized], timeout: float = 15.0) -> None:
    """Returns when nothing is left; the time begins anew whenever there is less than before.

    Raises TimeoutError naming `what`.
    """
    while number := len(left()):
        fewer = partial(lambda than: len(left()) < than, number)
        wait_for(f"{what} ({number} left)", fewer, timeout)
