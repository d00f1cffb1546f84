"""`python -m worker.with_sweep`: worker and sweep in one process, for a machine with little memory.

Each has services and connections of its own, as in two processes. They start and end together.
"""

import logging
import os
import signal
import sys
import threading

from jobs.config import settings
from jobs.observability import sentry
from jobs.services import for_background
from worker import startup, sweep, tasks

JOIN_SECONDS = 20.0  # for the sweep; platforms send SIGKILL 30 s after SIGTERM

log = logging.getLogger(__name__)


def main() -> int:
    startup.start("worker", writes_database=True)
    worker = tasks.worker_process()
    stop = worker.dispatcher.shutdown.requested
    thread = threading.Thread(target=_sweep, args=(stop,), name="sweep", daemon=True)
    thread.start()
    exit_code = worker.run()
    stop.set()
    thread.join(JOIN_SECONDS)
    sentry.flush()
    return exit_code


def _sweep(stop: threading.Event) -> None:
    """Sweep until `stop` is set. An error ends the process, as it ends one that only sweeps."""
    try:
        sweep.run(for_background(settings.load()), stop)
    except Exception:
        log.exception("the sweep has ended, so this process exits")
    if not stop.is_set():
        os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    sys.exit(main())
