"""Loops of the sweep process: a step is repeated until the process stops."""

import logging
import threading
from collections.abc import Callable

from jobs.domain.errors import FluxkeepError

RETRY_SECONDS = 5.0

log = logging.getLogger(__name__)
Step = Callable[[], float]  # returns the seconds until its next call


def repeat(step: Step, stop: threading.Event) -> None:
    """Repeat a step until `stop` is set, through outages of Redis and the storage too."""
    wait_seconds = 0.0
    while not stop.wait(wait_seconds):
        try:
            wait_seconds = step()
        except FluxkeepError as error:
            log.warning("%s", error)
            wait_seconds = RETRY_SECONDS


def start(
    step: Step, stop: threading.Event, name: str, at_end: Callable[[], object] = lambda: None
) -> threading.Thread:
    """Repeat a step in a thread until `stop` is set; `at_end` is called after that."""

    def run() -> None:
        repeat(step, stop)
        at_end()

    thread = threading.Thread(target=run, name=name, daemon=True)
    thread.start()
    return thread
