"""Shutdown within the time that a platform gives: finish, release, exit."""

import logging
import os
import threading
import time
from collections.abc import Callable
from typing import NoReturn

from jobs.observability import sentry
from worker.claim import Claims, HeldClaim

# Platforms send SIGKILL 30 s after SIGTERM.
FINISH_SECONDS = 15.0
EXIT_SECONDS = 25.0
UNWIND_SECONDS = 5.0  # for work whose connections were cut
TICK_SECONDS = 0.1

log = logging.getLogger(__name__)


class Shutdown:
    """Stop the threads of a process, and make sure that the process ends."""

    def __init__(self, claims: Claims) -> None:
        self.requested = threading.Event()
        self._claims = claims

    def begin(self) -> None:
        """Start nothing new; work under way has FINISH_SECONDS."""
        self.requested.set()
        _run_later(FINISH_SECONDS, self.release_claims)
        # RQ may wait for Redis before it exits; leases that run out inform the other workers.
        exit_in_time()

    def release_claims(self) -> None:
        """Release all unfinished work to other workers."""
        for claim in self._claims.copy():
            claim.release()

    def exit_hung(self, hung: list[HeldClaim]) -> NoReturn:
        """Release the other claims and exit: only that ends a hung thread. We are restarted."""
        self.requested.set()
        for claim in hung:
            log.critical("job %s: its work hangs, so this process exits", claim.job.id)
        others = self._claims.copy() - set(hung)
        for claim in others:
            claim.release()
        until = time.monotonic() + UNWIND_SECONDS
        while others & self._claims.copy() and time.monotonic() < until:
            time.sleep(TICK_SECONDS)
        sentry.flush()
        os._exit(1)


def exit_in_time() -> None:
    """End the process after EXIT_SECONDS, whatever it waits for."""
    _run_later(EXIT_SECONDS, lambda: os._exit(0))


def _run_later(seconds: float, action: Callable[[], None]) -> None:
    timer = threading.Timer(seconds, action)
    timer.daemon = True
    timer.start()
