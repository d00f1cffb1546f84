"""A worker process: one dispatcher for its whole life, and RQ workers one after the other."""

import logging
import time
from contextlib import closing
from enum import Enum, auto

from redis.exceptions import RedisError

from jobs.services import Services, redis_for_web
from jobs.store.redis.connection import takes_writes
from worker.dispatcher import JobDispatcher
from worker.worker import RescueWorker

RESTART_DELAY_SECONDS = 2.0
UNABLE_SECONDS = 60.0  # after so long without a run of RQ the process exits

log = logging.getLogger(__name__)


class RedisState(Enum):
    """Outcome of a write that probes Redis."""

    WRITABLE = auto()
    REFUSES_WRITES = auto()
    SILENT = auto()  # it does not answer


class WorkerProcess:
    """Run RQ again and again: it ends when Redis was away for too long or refused a write."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._rq_worker: RescueWorker | None = None
        self.dispatcher = JobDispatcher(services, may_poll=self._may_poll, on_tick=self._on_tick)
        self._stopping = self.dispatcher.shutdown.requested

    def _may_poll(self) -> bool:
        return self._rq_worker is None or self._rq_worker.may_poll()

    def _on_tick(self) -> None:
        if self._rq_worker is not None:
            self._rq_worker.maintain()

    def run(self) -> int:
        """Run until a signal comes; return the exit code.

        The code is 1 when RQ could not run for UNABLE_SECONDS although Redis takes writes.
        """
        unable_since: float | None = None
        while not self._stopping.is_set():
            began_at = time.monotonic()
            rq_worker = self._run_rq()
            if self._stopping.is_set():
                break
            redis_state = self._probe_redis()
            now = time.monotonic()
            ran_for_long = now - began_at > UNABLE_SECONDS
            if ran_for_long or redis_state is not RedisState.WRITABLE:
                unable_since = None  # RQ works, or Redis is the reason that it does not
            elif unable_since is None:
                unable_since = began_at
            if unable_since is not None and now - unable_since > UNABLE_SECONDS:
                log.critical("RQ cannot run although Redis takes writes, so this process exits")
                return 1
            if rq_worker is not None and redis_state is not RedisState.SILENT:
                rq_worker.drain()
            self._stopping.wait(RESTART_DELAY_SECONDS)
        return 0

    def _run_rq(self) -> RescueWorker | None:
        """Run RQ until its loop ends; return its worker, or None if the loop could not begin."""
        rq_worker: RescueWorker | None = None
        reason = "its loop has ended"
        try:
            rq_worker = RescueWorker(self._services, self.dispatcher)
            self._rq_worker = rq_worker
            log_level = self._services.settings.log_level
            if log_level == "INFO":  # RQ logs every task and every clean-up: too much
                log_level = "WARNING"
            rq_worker.work(logging_level=log_level)
        except RedisError as error:
            reason = type(error).__name__
        if not self._stopping.is_set():
            log.warning("RQ stopped: %s; starting again", reason)
        return rq_worker

    def _probe_redis(self) -> RedisState:
        """Probe Redis over a new connection: the connections of the pool may be broken."""
        with closing(redis_for_web(self._services.settings)) as redis:
            is_writable = takes_writes(redis)
        if is_writable is None:
            return RedisState.SILENT
        if not is_writable:
            return RedisState.REFUSES_WRITES
        return RedisState.WRITABLE
