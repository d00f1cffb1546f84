"""RQ's worker with clocks that fit a URL's life of ten minutes, and an end within PaaS limits."""

import contextlib
import logging
import os
import signal
import threading
from typing import Any

from rq import Queue, Worker
from rq.job import Job
from rq.serializers import JSONSerializer

from jobs.errors import StoreUnavailable
from jobs.services import Services
from worker.hatch import hatch
from worker.turn import RECALL

WORKER_TTL_SECONDS = 30
MAINTENANCE_SECONDS = 15
MONITORING_SECONDS = 5
# A PaaS kills what has not stopped after 30 s.
STOP_WORK_AFTER_SECONDS = 15.0
STOP_ANYHOW_AFTER_SECONDS = 25.0

log = logging.getLogger(__name__)


class RescueWorker(Worker):
    """Works on one queue, leaves a heartbeat, and stops in time."""

    def __init__(self, services: Services) -> None:
        super().__init__(
            [services.hints.queue],
            connection=services.redis,
            serializer=JSONSerializer,
            default_worker_ttl=WORKER_TTL_SECONDS,
            maintenance_interval=MAINTENANCE_SECONDS,
            job_monitoring_interval=MONITORING_SECONDS,
            log_job_description=False,
        )
        self._pulse = services.pulse
        self.stopping = False

    def heartbeat(self, timeout: int | None = None, pipeline: Any = None) -> None:
        super().heartbeat(timeout, pipeline)
        try:
            self._pulse.beat("worker")
        except StoreUnavailable:
            log.warning("no heartbeat left: Redis does not answer")

    def fork_work_horse(self, job: Job, queue: Queue) -> None:
        """One darkroom serves all horses: Pillow need not be loaded for each of them."""
        hatch.open()
        signal.signal(RECALL, signal.SIG_IGN)  # until the horse listens to it
        super().fork_work_horse(job, queue)

    def handle_warm_shutdown_request(self) -> None:
        """The job in hand may finish; then its horse is asked to hand it back; then we go."""
        self.stopping = True
        if self.horse_pid:
            with contextlib.suppress(ProcessLookupError):  # it has just ended by itself
                os.kill(self.horse_pid, RECALL)
        super().handle_warm_shutdown_request()  # type: ignore[no-untyped-call]
        _later(STOP_WORK_AFTER_SECONDS, self._stop_horse)
        _later(STOP_ANYHOW_AFTER_SECONDS, self._leave)

    def _stop_horse(self) -> None:
        if self.horse_pid:
            self.kill_horse(signal.SIGTERM)

    def _leave(self) -> None:
        """Redis may be away, and RQ waits for it to say good-bye; the lease tells the others."""
        if self.horse_pid:
            self.kill_horse()
        os._exit(0)


def _later(seconds: float, act: Any) -> None:
    timer = threading.Timer(seconds, act)
    timer.daemon = True
    timer.start()
