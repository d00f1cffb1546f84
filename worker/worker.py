"""RQ's SimpleWorker, with heartbeats while a task runs and an end within a platform's limits."""

import logging
import time
from functools import partial
from types import FrameType
from typing import Any

from redis.exceptions import RedisError
from rq import Queue, SimpleWorker
from rq.job import Job
from rq.serializers import JSONSerializer

from jobs.errors import StoreUnavailable
from jobs.services import Services
from worker.dispatcher import Dispatcher

WORKER_TTL_SECONDS = 30
MAINTENANCE_SECONDS = 15
MONITORING_SECONDS = 5
# RQ calls a task abandoned when nothing was heard of it for so long.
SILENCE_SECONDS = MONITORING_SECONDS + 60

log = logging.getLogger(__name__)


class RescueWorker(SimpleWorker):
    """Works on one queue; the dispatcher's threads do the work."""

    def __init__(self, services: Services, dispatcher: Dispatcher) -> None:
        super().__init__(
            [services.rq_queue.queue],
            connection=services.redis,
            serializer=JSONSerializer,
            default_worker_ttl=WORKER_TTL_SECONDS,
            maintenance_interval=MAINTENANCE_SECONDS,
            job_monitoring_interval=MONITORING_SECONDS,
            log_job_description=False,
        )
        self._pulse = services.metrics
        self._dispatcher = dispatcher
        self._beat_at = 0.0
        dispatcher.is_kept_from_polls = self._is_kept_from_polls

    @property
    def stopping(self) -> bool:
        return self._dispatcher.shutdown.requested.is_set()

    def heartbeat(self, timeout: int | None = None, pipeline: Any = None) -> None:
        super().heartbeat(timeout, pipeline)
        try:
            self._pulse.record_heartbeat("worker")
        except StoreUnavailable:
            log.warning("no heartbeat left: Redis does not answer")

    def get_heartbeat_ttl(self, job: Job) -> int:  # noqa: ARG002 - RQ's signature
        """As of RQ's forking worker: SimpleWorker has no heartbeats while a task runs."""
        return SILENCE_SECONDS

    def execute_job(self, job: Job, queue: Queue) -> None:
        self._dispatcher.tick = partial(self._tick, job)
        super().execute_job(job, queue)

    def _tick(self, job: Job) -> None:
        """What RQ does between two tasks, while one of them runs for long."""
        if time.monotonic() < self._beat_at:
            return
        try:
            self.maintain_heartbeats(job)
            if self.should_run_maintenance_tasks:
                self.run_maintenance_tasks()  # type: ignore[no-untyped-call]
        except RedisError as error:
            log.warning("no heartbeat left: %s", type(error).__name__)
        self._beat_at = time.monotonic() + MONITORING_SECONDS

    def _is_kept_from_polls(self) -> bool:
        """Of several workers with one thread each, the first is left for rescues."""
        if self._dispatcher.size > 1:
            return False
        alive = self._pulse.worker_keys()
        return len(alive) > 1 and alive[0] == self.key

    def handle_warm_shutdown_request(self) -> None:
        """SIGTERM or SIGINT: finish, hand back, exit."""
        super().handle_warm_shutdown_request()  # type: ignore[no-untyped-call]
        self._dispatcher.shutdown.begin()

    def request_force_stop(self, signum: int, frame: FrameType | None) -> None:  # noqa: ARG002
        """The same signal again: hand back at once."""
        self._dispatcher.shutdown.hand_back()
