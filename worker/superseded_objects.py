"""Deletion of superseded objects of jobs that ended in the sweep.

It runs in a thread of its own, so that a storage that hangs delays no job that is due. `repair`
deletes what it misses, because its queue was full or the process ended.
"""

import logging
import queue

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

    def add(self, job: Job) -> None:
        """Queue a job without blocking."""
        try:
            self._ended.put_nowait(job)
        except queue.Full:
            log.warning("job %s: its superseded objects are left to `repair`", job.id)

    def step(self) -> float:
        """Process the queue, then delete abandoned staged files."""
        self.process_queue()
        self._services.storage.staging_directory.delete_abandoned()
        return POLL_SECONDS

    def process_queue(self) -> None:
        while not self._ended.empty():
            recovery.delete_superseded(self._services, self._ended.get())
