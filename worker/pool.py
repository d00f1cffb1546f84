"""Several workers on one machine: forked from one process, so that they share its memory."""

import contextlib
import logging
import os
import signal
import time
from collections.abc import Callable
from types import FrameType

RESTART_PAUSE_SECONDS = 1.0

log = logging.getLogger(__name__)
Work = Callable[[], int]


class Pool:
    """Keeps so many workers going until it is told to stop, and then sees them off."""

    def __init__(self, size: int, work: Work) -> None:
        self._size = size
        self._work = work
        self._stopping = False
        self._pids: set[int] = set()

    def run(self) -> int:
        """The worst exit code of those that ended after they were told to stop."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._stop)
        for _ in range(self._size):
            self._fork()
        worst = 0
        while self._pids:
            worst = max(worst, self._mourn())
        return worst

    def _stop(self, _number: int, _frame: FrameType | None) -> None:
        self._stopping = True
        for pid in self._pids:
            with contextlib.suppress(ProcessLookupError):  # it has just ended by itself
                os.kill(pid, signal.SIGTERM)

    def _fork(self) -> None:
        # A signal in between would find a worker that is not in the list yet.
        before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGINT})
        pid = 0 if self._stopping else os.fork()
        if pid:
            self._pids.add(pid)
        elif not self._stopping:
            self._be_a_worker(before)
        signal.pthread_sigmask(signal.SIG_SETMASK, before)

    def _be_a_worker(self, mask: set[int]) -> None:
        """Ends with the process: nothing of the parent's clean-up is ours."""
        code = 1
        try:
            for number in (signal.SIGTERM, signal.SIGINT):
                signal.signal(number, _leave)  # until RQ takes over
            signal.pthread_sigmask(signal.SIG_SETMASK, mask)
            code = self._work()
        finally:
            os._exit(code)

    def _mourn(self) -> int:
        """Wait until one ends; before the stop another one takes its place."""
        pid, status = os.wait()
        self._pids.discard(pid)
        if self._stopping:
            return abs(os.waitstatus_to_exitcode(status))
        log.warning("a worker has ended (%s), starting another", os.waitstatus_to_exitcode(status))
        time.sleep(RESTART_PAUSE_SECONDS)
        self._fork()
        return 0


def _leave(_number: int, _frame: FrameType | None) -> None:
    os._exit(0)
