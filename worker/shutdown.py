"""Shutdown within the time that a platform gives: finish, release, exit."""

import logging
import os
import threading
import time
from collections.abc import Callable
from typing import NoReturn

from jobs.config.settings import Settings
from jobs.observability import sentry
from jobs.store.redis.connection import is_answering
from worker.claim import Claims, HeldClaim

# Platforms send SIGKILL 30 s after SIGTERM.
FINISH_SECONDS = 15.0
EXIT_SECONDS = 25.0
UNWIND_SECONDS = 5.0  # for work whose connections were cut
TICK_SECONDS = 0.1
WITHOUT_REDIS_SECONDS = 2.0  # for what needs no Redis; then a process without work in hand ends
REDIS_ANSWER_SECONDS = 1.0

log = logging.getLogger(__name__)


class Shutdown:
    """Stop the threads of a process, and make sure that the process ends."""

    def __init__(self, claims: Claims, settings: Settings) -> None:
        self.requested = threading.Event()
        self._claims = claims
        self._settings = settings

    def begin(self) -> None:
        """Start nothing new; work under way has FINISH_SECONDS."""
        self.requested.set()
        _run_later(FINISH_SECONDS, self.release_claims)
        # RQ may wait for Redis before it exits; leases that run out inform the other workers.
        exit_in_time()
        exit_early_without_redis(self._settings, lambda: bool(self._claims))

    def release_claims(self) -> None:
        """Release all unfinished work to other workers."""
        for claim in self._claims.copy():
            claim.release()

    def exit_hung(self, hung: list[HeldClaim]) -> NoReturn:
        """Release the other claims and exit: only that ends a hung thread. We are restarted."""
        self.requested.set()
        for claim in hung:
            log.critical("job %s: its work hangs, so this process exits", claim.job.id)
        healthy_claims = self._claims.copy() - set(hung)
        for claim in healthy_claims:
            claim.release()
        until = time.monotonic() + UNWIND_SECONDS
        while time.monotonic() < until:
            unfinished_claims = healthy_claims & self._claims.copy()
            if not unfinished_claims:
                break
            time.sleep(TICK_SECONDS)
        sentry.flush()
        os._exit(1)


def exit_in_time() -> None:
    """End the process after EXIT_SECONDS, whatever it waits for."""
    _run_later(EXIT_SECONDS, lambda: os._exit(0))


def exit_early_without_redis(settings: Settings, has_work: Callable[[], bool]) -> None:
    """End a process that stops and that only waits for a Redis that does not answer.

    Commands are tried again for a minute, which is right while it runs. Work in hand goes on:
    bytes that were downloaded are published without Redis.
    """

    def exit_when_nothing_is_left() -> None:
        while True:
            time.sleep(WITHOUT_REDIS_SECONDS)
            if not has_work() and not is_answering(settings, REDIS_ANSWER_SECONDS):
                log.warning("stopped without Redis, which does not answer")
                os._exit(0)

    threading.Thread(target=exit_when_nothing_is_left, name="exit", daemon=True).start()


def _run_later(seconds: float, action: Callable[[], None]) -> None:
    timer = threading.Timer(seconds, action)
    timer.daemon = True
    timer.start()
