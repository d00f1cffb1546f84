"""What lies in the storage and belongs to nothing: cleared away beside the sweep.

It runs in a thread of the sweep process: a bucket that hangs must not keep anybody from the jobs
that are due. What is lost of it, because there is too much or the process leaves, `repair` finds.
"""

import logging
import queue
import threading

from jobs.errors import FluxkeepError
from jobs.job import Job
from jobs.services import Services
from worker import recovery

TIDY_EVERY_SECONDS = 2.0
WAITING_MAX = 1000

log = logging.getLogger(__name__)


class Leftovers:
    """Jobs that have ended in the sweep, and what was published for them."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._ended: queue.Queue[Job] = queue.Queue(WAITING_MAX)

    def start(self, stop: threading.Event) -> threading.Thread:
        """Clear away until told to stop."""
        thread = threading.Thread(target=self._run, args=(stop,), name="leftovers", daemon=True)
        thread.start()
        return thread

    def add(self, job: Job) -> None:
        """Never waits."""
        try:
            self._ended.put_nowait(job)
        except queue.Full:
            log.warning("job %s: what was published for it is left to `repair`", job.id)

    def _run(self, stop: threading.Event) -> None:
        while not (stop.is_set() and self._ended.empty()):
            try:
                self.step()
            except FluxkeepError as error:
                log.warning("leftovers: %s", error)

    def step(self) -> None:
        """Clear up behind one job, or tidy up when there is none for a while."""
        try:
            job = self._ended.get(timeout=TIDY_EVERY_SECONDS)
        except queue.Empty:
            self._services.media.drop_abandoned()
        else:
            recovery.delete_superseded(self._services, job)
