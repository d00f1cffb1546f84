"""Deletion of superseded objects of jobs that ended in the sweep.

It runs in a thread of its own, so that a storage that hangs delays no job that is due. `repair`
deletes what it misses, because its queue was full or the process ended.
"""

import logging
import queue
import threading

from jobs.errors import FluxkeepError
from jobs.job import Job
from jobs.services import Services
from worker import recovery

POLL_SECONDS = 2.0
QUEUE_MAX_JOBS = 1000

log = logging.getLogger(__name__)


class SupersededObjects:
    """Queue of ended jobs whose superseded objects are to be deleted."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._ended: queue.Queue[Job] = queue.Queue(QUEUE_MAX_JOBS)

    def start(self, stop: threading.Event) -> threading.Thread:
        """Delete in a thread until `stop` is set."""
        thread = threading.Thread(target=self._run, args=(stop,), name="superseded", daemon=True)
        thread.start()
        return thread

    def add(self, job: Job) -> None:
        """Queue a job without blocking."""
        try:
            self._ended.put_nowait(job)
        except queue.Full:
            log.warning("job %s: its superseded objects are left to `repair`", job.id)

    def _run(self, stop: threading.Event) -> None:
        while not (stop.is_set() and self._ended.empty()):
            try:
                self.step()
            except FluxkeepError as error:
                log.warning("superseded objects: %s", error)

    def step(self) -> None:
        """Process one job, or delete abandoned staged files when there is none."""
        try:
            job = self._ended.get(timeout=POLL_SECONDS)
        except queue.Empty:
            self._services.storage.delete_abandoned()
        else:
            recovery.delete_superseded(self._services, job)
