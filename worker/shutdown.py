"""Shutdown within the time a platform gives: finish, hand back, exit."""

import logging
import os
import threading
import time
from collections.abc import Callable
from typing import NoReturn

from jobs.observability import setup
from worker.claim import Claim, Claims

# A platform kills what has not stopped after 30 s.
FINISH_SECONDS = 15.0
EXIT_SECONDS = 25.0
UNWIND_SECONDS = 5.0  # for work whose connections were cut
TICK_SECONDS = 0.1

log = logging.getLogger(__name__)


class Shutdown:
    """Tells the threads of a process to stop, and sees to it that the process ends."""

    def __init__(self, claims: Claims) -> None:
        self.requested = threading.Event()
        self._claims = claims

    def begin(self) -> None:
        """Nothing new is begun; what is under way has some seconds to finish."""
        self.requested.set()
        _later(FINISH_SECONDS, self.hand_back)
        # Redis may be away, and RQ waits for it to say good-bye; the leases tell the others.
        _later(EXIT_SECONDS, lambda: os._exit(0))

    def hand_back(self) -> None:
        """Give all unfinished work to the other workers."""
        for claim in self._claims.all():
            claim.hand_back()

    def because_of(self, hung: list[Claim]) -> NoReturn:
        """Leave a thread that nothing else can end, and exit: the platform starts us again."""
        self.requested.set()
        for claim in hung:
            log.critical("job %s: its work hangs, so this process exits", claim.job.id)
        others = set(self._claims.all()) - set(hung)
        for claim in others:
            claim.hand_back()
        until = time.monotonic() + UNWIND_SECONDS
        while others & set(self._claims.all()) and time.monotonic() < until:
            time.sleep(TICK_SECONDS)
        setup.flush()
        os._exit(1)


def _later(seconds: float, act: Callable[[], None]) -> None:
    timer = threading.Timer(seconds, act)
    timer.daemon = True
    timer.start()
