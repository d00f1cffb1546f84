"""`python -m worker`: an RQ worker that outlives the loss of Redis."""

import logging
import sys
import time

from redis.exceptions import RedisError

from jobs.errors import FluxkeepError
from jobs.services import Services

# The tasks are imported here so that each fork finds them loaded: 200 ms less per rescue.
from worker import logs, tasks, wiring
from worker.rq_worker import RescueWorker

RESTART_PAUSE_SECONDS = 2.0

log = logging.getLogger(__name__)


def main() -> int:
    try:
        services = wiring.get()
    except FluxkeepError as error:
        print(error, file=sys.stderr)  # noqa: T201 - logging is set up from the settings
        return 1
    logs.set_up(services.settings)
    log.info("ready for %s.%s", tasks.__name__, tasks.attend.__name__)
    while not _worked_until_told_to_stop(services):
        time.sleep(RESTART_PAUSE_SECONDS)
    return 0


def _worked_until_told_to_stop(services: Services) -> bool:
    """RQ's loop ends when Redis stays away for too long; then a new worker takes over."""
    try:
        worker = RescueWorker(services)
        worker.work(logging_level=services.settings.log_level)
    except RedisError as error:
        log.warning("RQ stopped: %s; starting again", type(error).__name__)
        return False
    return worker.stopping


if __name__ == "__main__":
    sys.exit(main())
