"""`python -m worker`: RQ workers that outlive the loss of Redis, WORKER_CONCURRENCY of them."""

import logging
import sys
import time
from functools import partial

from redis.exceptions import RedisError

from jobs.services import Services
from worker import tasks, wiring
from worker.pool import Pool
from worker.rq_worker import RescueWorker

RESTART_PAUSE_SECONDS = 2.0

# Loaded before the first fork, so that each finds it there: 200 ms less per rescue.
PRELOADED = (tasks,)

log = logging.getLogger(__name__)


def main() -> int:
    services = wiring.start("worker")
    size = services.settings.worker_concurrency
    return work(services) if size == 1 else Pool(size, partial(work, services)).run()


def work(services: Services) -> int:
    """Until told to stop."""
    while not _worked_until_told_to_stop(services):
        time.sleep(RESTART_PAUSE_SECONDS)
    return 0


def _worked_until_told_to_stop(services: Services) -> bool:
    """RQ's loop ends when Redis stays away for too long; then a new worker takes over."""
    try:
        worker = RescueWorker(services)
        worker.work(logging_level=_rq_level(services))
    except RedisError as error:
        log.warning("RQ stopped: %s; starting again", type(error).__name__)
        return False
    return worker.stopping


def _rq_level(services: Services) -> str:
    """RQ tells of every entry and every tidying up; that is of interest to nobody but us."""
    level = services.settings.log_level
    return "WARNING" if level == "INFO" else level


if __name__ == "__main__":
    sys.exit(main())
