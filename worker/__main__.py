"""`python -m worker`: RQ worker that survives the loss of Redis, and works on while RQ cannot."""

import logging
import sys
import time
from contextlib import closing, suppress

from redis.exceptions import RedisError

from jobs.errors import StoreUnavailable
from jobs.observability import sentry
from jobs.services import Services, redis_for_web
from jobs.store.connection import takes_writes
from worker import startup, tasks
from worker.dispatcher import Dispatcher
from worker.worker import MONITORING_SECONDS, RescueWorker

RESTART_DELAY_SECONDS = 2.0
UNABLE_SECONDS = 60.0

log = logging.getLogger(__name__)


def main() -> int:
    exit_code = WorkerProcess(startup.start("worker"), tasks.dispatcher()).run()
    sentry.flush()
    return exit_code


class WorkerProcess:
    """RQ again and again; while Redis refuses what RQ writes, jobs are processed without it."""

    def __init__(self, services: Services, dispatcher: Dispatcher) -> None:
        self._services = services
        self._dispatcher = dispatcher
        self._unable_since: float | None = None
        self._heartbeat_at = 0.0

    def run(self) -> int:
        """Return an exit code: 1 when RQ could not run for a minute although Redis takes writes."""
        shutdown = self._dispatcher.shutdown
        while not shutdown.requested.is_set():
            shutdown.handle_signals()  # until RQ has its own, and after that
            began = time.monotonic()
            self._run_rq()
            if shutdown.requested.is_set():
                break
            is_writable = self._is_writable()
            if self._is_unable(began, is_writable=bool(is_writable)):
                log.critical("RQ cannot run although Redis takes writes, so this process exits")
                return 1
            if is_writable is not None:
                self._process_waiting_jobs()
            shutdown.requested.wait(RESTART_DELAY_SECONDS)
        return 0

    def _run_rq(self) -> None:
        """Return when RQ's loop has ended: Redis was away for too long or refused a write."""
        reason = "its loop has ended"
        try:
            worker = RescueWorker(self._services, self._dispatcher)
            worker.work(logging_level=_rq_level(self._services))
        except RedisError as error:
            reason = type(error).__name__
        if not self._dispatcher.shutdown.requested.is_set():
            log.warning("RQ stopped: %s; starting again", reason)

    def _is_writable(self) -> bool | None:
        """Ask over a new connection: those of the pool may be what is wrong."""
        with closing(redis_for_web(self._services.settings)) as redis:
            return takes_writes(redis)

    def _is_unable(self, began: float, *, is_writable: bool) -> bool:
        now = time.monotonic()
        if not is_writable or now - began > UNABLE_SECONDS:
            self._unable_since = None
            return False
        self._unable_since = self._unable_since or began
        return now - self._unable_since > UNABLE_SECONDS

    def _process_waiting_jobs(self) -> None:
        self._dispatcher.on_tick = self._record_heartbeat
        self._record_heartbeat()
        self._dispatcher.drain(has_rq_job=False)

    def _record_heartbeat(self) -> None:
        if time.monotonic() < self._heartbeat_at:
            return
        self._heartbeat_at = time.monotonic() + MONITORING_SECONDS
        with suppress(StoreUnavailable):
            self._services.metrics.record_heartbeat("worker")


def _rq_level(services: Services) -> str:
    """RQ logs every task and every clean-up at INFO: too much unless debugging."""
    level = services.settings.log_level
    return "WARNING" if level == "INFO" else level


if __name__ == "__main__":
    sys.exit(main())
