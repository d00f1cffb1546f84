"""RQ SimpleWorker with heartbeats while a task runs, and a bounded shutdown."""

import logging
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from types import FrameType
from typing import Any

from redis.exceptions import RedisError
from rq import Queue, SimpleWorker, worker_registration
from rq.job import Job
from rq.serializers import JSONSerializer
from rq.worker import WorkerStatus

from jobs.domain.errors import StorageError, StoreUnavailable
from jobs.services import Services
from jobs.store.rq_queue import QUEUE_NAME
from worker.dispatcher import JobDispatcher

WORKER_TTL_SECONDS = 30
MAINTENANCE_SECONDS = 15
MONITORING_SECONDS = 5
HEARTBEAT_SECONDS = 1.0  # RQ sends several for each job
TASK_HEARTBEAT_TTL_SECONDS = MONITORING_SECONDS + 60  # then RQ calls the task abandoned

log = logging.getLogger(__name__)


def _do_nothing() -> None:
    pass


class ObservedQueue(Queue):
    """RQ's queue, which reports that a job was taken from it before RQ takes note of the job."""

    def __init__(
        self, *arguments: Any, on_dequeue: Callable[[], None] = _do_nothing, **options: Any
    ) -> None:
        super().__init__(*arguments, **options)
        self.on_dequeue = on_dequeue

    @classmethod
    def dequeue_any(
        cls, queues: Iterable[Queue], *arguments: Any, **options: Any
    ) -> tuple[Job, Queue] | None:
        """RQ calls it on the class, and returns a copy of a queue, which has no callback."""
        dequeued = super().dequeue_any(queues, *arguments, **options)
        if dequeued is None:
            return None
        _job, copy_of_queue = dequeued
        for queue in queues:
            if isinstance(queue, ObservedQueue) and queue.name == copy_of_queue.name:
                queue.on_dequeue()
        return dequeued


class RescueWorker(SimpleWorker):
    """Worker of one queue; the threads of the dispatcher do the work."""

    def __init__(self, services: Services, dispatcher: JobDispatcher) -> None:
        queue = ObservedQueue(
            QUEUE_NAME,
            connection=services.redis,
            serializer=JSONSerializer,
            on_dequeue=self._begin_work,
        )
        super().__init__(
            [queue],
            connection=services.redis,
            queue_class=ObservedQueue,
            serializer=JSONSerializer,
            worker_ttl=WORKER_TTL_SECONDS,
            maintenance_interval=MAINTENANCE_SECONDS,
            job_monitoring_interval=MONITORING_SECONDS,
            log_job_description=False,
        )
        self._health_probes = services.health_probes
        self.storage = services.storage
        self._dispatcher = dispatcher
        self._rq_job: Job | None = None  # under way
        self._maintained_at = float("-inf")
        self._recorded_at = float("-inf")

    def _install_signal_handlers(self) -> None:
        """Notice a signal that came before."""
        super()._install_signal_handlers()  # type: ignore[no-untyped-call]
        self._stop_requested = self._dispatcher.shutdown.requested.is_set()

    def subscribe(self) -> None:
        """Without RQ's remote commands: when RQ stops on an error, it keeps their connection."""

    def teardown(self) -> None:
        """Deregister without MULTI and HSET, which a full Redis refuses; what is left expires."""
        self._state = WorkerStatus.BUSY  # no signal may interrupt what comes after RQ's loop
        with suppress(RedisError), self.connection.pipeline(transaction=False) as pipe:
            worker_registration.unregister(self, pipe)
            pipe.delete(self.key)
            pipe.execute()

    def _begin_work(self) -> None:
        """Start on a job that RQ takes note of in six round trips before it runs it."""
        self._state = WorkerStatus.BUSY  # a signal from now on lets the work end
        self._dispatcher.begin()

    def heartbeat(self, timeout: int | None = None, pipeline: Any = None) -> None:
        super().heartbeat(timeout, pipeline)
        self._record_heartbeat()

    def _record_heartbeat(self) -> None:
        now = time.monotonic()
        if now < self._recorded_at + HEARTBEAT_SECONDS:
            return
        self._recorded_at = now
        try:
            self._health_probes.record_heartbeat("worker")
        except StoreUnavailable:
            log.warning("heartbeat failed: Redis does not answer")

    def get_heartbeat_ttl(self, job: Job) -> int:  # noqa: ARG002 - RQ's signature
        """The value of RQ's forking worker: SimpleWorker has no heartbeats while a task runs."""
        return TASK_HEARTBEAT_TTL_SECONDS

    def execute_job(self, job: Job, queue: Queue) -> None:
        self._rq_job = job
        try:
            super().execute_job(job, queue)
        finally:
            self._rq_job = None

    def drain(self) -> None:
        """Process what waits without RQ, whose own writes a full Redis refuses."""
        self._state = WorkerStatus.BUSY
        self._install_signal_handlers()
        self.maintain()
        self._dispatcher.drain(has_rq_job=False)

    def maintain(self) -> None:
        """Send heartbeats and run RQ's maintenance now and then while work takes long."""
        now = time.monotonic()
        if now < self._maintained_at + MONITORING_SECONDS:
            return
        self._maintained_at = now
        if self._rq_job is None:
            self._record_heartbeat()
            return
        try:
            self.maintain_heartbeats(self._rq_job)
            if self.should_run_maintenance_tasks:
                self.run_maintenance_tasks()
        except RedisError as error:
            log.warning("heartbeat failed: %s", type(error).__name__)

    def run_maintenance_tasks(self) -> None:
        """Also delete what dead workers staged on this machine's disk."""
        super().run_maintenance_tasks()  # type: ignore[no-untyped-call]
        with suppress(StorageError):
            self.storage.staging_directory.delete_abandoned()

    def may_poll(self) -> bool:
        """Of several workers with one thread each, the first is reserved for rescues."""
        if self._dispatcher.size > 1:
            return True
        live_workers = self._health_probes.worker_keys()
        if len(live_workers) <= 1:
            return True
        is_first = bool(live_workers[0] == self.key)
        return not is_first

    def set_shutdown_requested_date(self) -> None:
        """Nothing reads it, and a signal must not wait for Redis."""

    def handle_warm_shutdown_request(self) -> None:
        """SIGTERM or SIGINT: finish, release, exit."""
        super().handle_warm_shutdown_request()  # type: ignore[no-untyped-call]
        self._dispatcher.shutdown.begin()

    def request_force_stop(self, signum: int, frame: FrameType | None) -> None:  # noqa: ARG002
        """Release all claims at once when the signal comes a second time."""
        self._dispatcher.shutdown.release_claims()
