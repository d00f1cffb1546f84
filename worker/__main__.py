"""`python -m worker`: RQ worker that survives the loss of Redis, and works on while RQ cannot."""

import sys

from jobs.observability import sentry
from worker import startup, tasks


def main() -> int:
    startup.start("worker")
    exit_code = tasks.worker_process().run()
    sentry.flush()
    return exit_code


if __name__ == "__main__":
    sys.exit(main())
