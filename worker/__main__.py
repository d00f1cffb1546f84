"""`python -m worker`: RQ worker that survives the loss of Redis, and works on while RQ cannot."""

import logging
import sys
import time
from contextlib import closing

from redis.exceptions import RedisError

from jobs.observability import sentry
from jobs.services import Services, redis_for_web
from jobs.store.redis.connection import takes_writes
from worker import startup, tasks
from worker.worker import RescueWorker

RESTART_DELAY_SECONDS = 2.0
UNABLE_SECONDS = 60.0

log = logging.getLogger(__name__)


def main() -> int:
    """The exit code is 1 when RQ could not run for a minute although Redis takes writes."""
    services, stopping = startup.start("worker"), tasks.dispatcher().shutdown.requested
    unable_since: float | None = None
    while not stopping.is_set():
        began = time.monotonic()
        worker = _run_rq(services)
        if stopping.is_set():
            break
        with closing(redis_for_web(services.settings)) as redis:
            is_writable = takes_writes(redis)  # a connection of the pool may be what is wrong
        now = time.monotonic()
        has_run = now - began > UNABLE_SECONDS
        unable_since = (unable_since or began) if is_writable and not has_run else None
        if unable_since and now - unable_since > UNABLE_SECONDS:
            log.critical("RQ cannot run although Redis takes writes, so this process exits")
            break
        if worker and is_writable is not None:
            worker.drain()
        stopping.wait(RESTART_DELAY_SECONDS)
    sentry.flush()
    return 0 if stopping.is_set() else 1


def _run_rq(services: Services) -> RescueWorker | None:
    """Return when RQ's loop has ended: Redis was away for too long or refused a write."""
    worker, reason = None, "its loop has ended"
    try:
        worker = RescueWorker(services, tasks.dispatcher())
        level = services.settings.log_level
        # RQ logs every task and every clean-up at INFO: too much unless debugging.
        worker.work(logging_level="WARNING" if level == "INFO" else level)
    except RedisError as error:
        reason = type(error).__name__
    if not tasks.dispatcher().shutdown.requested.is_set():
        log.warning("RQ stopped: %s; starting again", reason)
    return worker


if __name__ == "__main__":
    sys.exit(main())
