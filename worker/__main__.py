"""`python -m worker`: RQ worker that survives the loss of Redis."""

import logging
import sys
import time

from redis.exceptions import RedisError

from jobs.observability import sentry
from jobs.services import Services
from worker import startup, tasks
from worker.worker import RescueWorker

RESTART_DELAY_SECONDS = 2.0

log = logging.getLogger(__name__)


def main() -> int:
    services = startup.start("worker")
    while not _ran_until_stop_signal(services):
        time.sleep(RESTART_DELAY_SECONDS)
    sentry.flush()
    return 0


def _ran_until_stop_signal(services: Services) -> bool:
    """False when RQ's loop ended because Redis was away for too long."""
    try:
        worker = RescueWorker(services, tasks.dispatcher())
        worker.work(logging_level=_rq_level(services))
    except RedisError as error:
        log.warning("RQ stopped: %s; starting again", type(error).__name__)
        return False
    return worker.is_stopping


def _rq_level(services: Services) -> str:
    """RQ logs every task and every clean-up at INFO: too much unless debugging."""
    level = services.settings.log_level
    return "WARNING" if level == "INFO" else level


if __name__ == "__main__":
    sys.exit(main())
