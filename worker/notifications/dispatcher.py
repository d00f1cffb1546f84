"""Dispatcher of due notifications: a small thread pool and a counter for each host.

It runs in the sweep process, so a slow receiver occupies no worker. Each host has its own threads,
so it delays only itself. Pending notifications are in the record: none is lost with the process.
"""

import logging
import random
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial

from jobs.errors import StoreUnavailable, UnreadableRecord, UrlRefused
from jobs.job import Job
from jobs.record import NotificationTarget
from jobs.services import Services
from worker.notifications import delivery

POLL_SECONDS = 0.5
BATCH = 200
PER_HOST_THREADS = 4
PER_HOST_PENDING_MAX = 64  # more of one host wait in Redis
HOSTS_MAX = 64
# A pending notification is due again in Redis after this time, in case this process dies.
HELD_SECONDS = 30.0
# A notification without room is retried after a random time, so that it does not hide later ones.
DEFERRED_SECONDS = (5.0, 60.0)

log = logging.getLogger(__name__)
Deliver = Callable[[str, NotificationTarget], None]


@dataclass(frozen=True, slots=True)
class HostQueue:
    """The threads of one host, and the notifications that are queued or under way."""

    pool: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(PER_HOST_THREADS))
    pending: set[tuple[str, NotificationTarget]] = field(default_factory=set)


class Dispatcher:
    """Deliver notifications, at most PER_HOST_THREADS of a host at once."""

    def __init__(self, deliver: Deliver) -> None:
        self._deliver = deliver
        self._hosts: dict[str, HostQueue] = {}
        self._lock = threading.Lock()

    @classmethod
    def of(cls, services: Services) -> "Dispatcher":
        return cls(partial(_deliver, services))

    def submit(self, host: str, job_id: str, target: NotificationTarget) -> bool:
        """Queue one notification, unless it is queued. False when there is no room for it."""
        with self._lock:
            queue = self._hosts.get(host)
            if queue is None and len(self._hosts) >= HOSTS_MAX:
                return False
            queue = queue or self._hosts.setdefault(host, HostQueue())
            if (job_id, target) in queue.pending:
                return True
            if len(queue.pending) >= PER_HOST_PENDING_MAX:
                return False
            queue.pending.add((job_id, target))
            queue.pool.submit(self._run, host, queue, job_id, target)
        return True

    def _run(self, host: str, queue: HostQueue, job_id: str, target: NotificationTarget) -> None:
        try:
            self._deliver(job_id, target)
        finally:
            with self._lock:
                queue.pending.discard((job_id, target))
                if not queue.pending and self._hosts.get(host) is queue:
                    del self._hosts[host]
                    queue.pool.shutdown(wait=False)

    def close(self) -> None:
        """Start no delivery, and wait for those under way, which take at most 20 s."""
        with self._lock:
            queues = list(self._hosts.values())
            self._hosts.clear()
        for queue in queues:
            queue.pool.shutdown(wait=False, cancel_futures=True)
        for queue in queues:
            queue.pool.shutdown(wait=True)


def dispatch_due(services: Services, dispatcher: Dispatcher) -> float:
    """Submit one batch of due notifications; return the seconds until the next one."""
    due = services.due.notifications.until(services.store.now(), BATCH)
    for job_id in due:
        _dispatch(services, dispatcher, job_id)
    return 0.0 if len(due) == BATCH else POLL_SECONDS


def _dispatch(services: Services, dispatcher: Dispatcher, job_id: str) -> None:
    """Submit the due notifications of a job, and reschedule it in Redis as a fallback."""
    try:
        job = services.store.load(job_id)
    except UnreadableRecord:
        job = None
    now = services.store.now()
    pending = job.notifications.pending if job else ()
    due = [one.to for one in pending if one.at <= now]
    if job is None or not due:
        next_at = min((one.at for one in pending), default=None)
        services.due.notifications.schedule(job_id, next_at)
        return
    services.due.notifications.schedule(job_id, now + HELD_SECONDS)
    accepted = [dispatcher.submit(_host(services, job, to), job_id, to) for to in due]
    if not all(accepted):
        wait_seconds = random.uniform(*DEFERRED_SECONDS)  # noqa: S311 - no secret depends on it
        services.due.notifications.schedule(job_id, now + wait_seconds)


def _host(services: Services, job: Job, to: NotificationTarget) -> str:
    """The receiver's host; empty when the delivery will be refused anyway."""
    with suppress(UrlRefused):
        return delivery.recipient_of(services, job, to).url.origin.host
    return ""


def _deliver(services: Services, job_id: str, to: NotificationTarget) -> None:
    """Log every error: one delivery must not end the others."""
    try:
        delivery.deliver(services, job_id, to)
    except StoreUnavailable as error:
        log.warning("job %s: %s; the notification is sent again", job_id, error)
    except UnreadableRecord:
        log.error("job %s: its record cannot be read", job_id)  # noqa: TRY400 - the trace says no more
    except Exception as error:  # noqa: BLE001 - it must not end the thread
        # Its text is not logged: it may hold secrets.
        log.error("job %s: unexpected %s", job_id, type(error).__name__)  # noqa: TRY400
