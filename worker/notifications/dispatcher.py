"""Dispatcher of due notifications: one pool of threads, its places counted by key and host.

It runs in the sweep process, so a slow receiver occupies no worker, and no key or host takes more
places than it leaves to others. Pending notifications are in the record: none is lost with us.
"""

import logging
import random
import threading
from collections.abc import Callable, Collection
from contextlib import suppress
from typing import NamedTuple

from jobs.domain.errors import FluxkeepError, UnreadableRecord, UrlRefused
from jobs.services import Services
from worker.notifications import delivery

POLL_SECONDS = 0.5
BATCH = 200
# Of each target: a job's own receivers take no place of NOTIFY_URL, nor one URL there of another.
THREADS_MAX, PER_HOST_THREADS = 128, 4
PENDING_MAX, PER_HOST_PENDING_MAX = 2048, 64  # more wait in Redis
# A notification is due again in Redis after a random time between these, in case there is no room
# for it now or this process dies. So it hides no later ones; the longer it has waited, the longer.
DEFERRED_SECONDS = (5.0, 60.0)

log = logging.getLogger(__name__)


class Delivery(NamedTuple):
    """A due notification, the API key of its job, and its receiver's host."""

    job_id: str
    recipient: str
    key: str | None
    host: str


def _has_place(one: Delivery, others: Collection[Delivery], most: int, per_host: int) -> bool:
    """Whether its key, and its host for this key, leave as many places free as they take."""
    of_target = [other for other in others if other.recipient == one.recipient]
    of_key = [other for other in of_target if other.key == one.key]
    of_host = sum(other.host == one.host for other in of_key)
    return of_host < per_host and len(of_target) + len(of_key) + of_host < most


class NotificationDispatcher:
    """Deliver each notification in a thread as soon as it has a place."""

    def __init__(self, deliver: Callable[[str, str], object]) -> None:
        self._deliver = deliver
        self._queued: list[Delivery] = []
        self._running: dict[Delivery, threading.Thread] = {}
        self._lock = threading.Lock()

    def submit(self, one: Delivery) -> bool:
        """Queue one notification, unless it is queued. False when there is no room for it."""
        with self._lock:
            pending = [*self._queued, *self._running]
            if one in pending:
                return True
            if not _has_place(one, pending, PENDING_MAX, PER_HOST_PENDING_MAX):
                return False
            self._queued.append(one)
            self._start([one])
        return True

    def _start(self, queued: list[Delivery]) -> None:
        """Start what has a place, the first of them first."""
        full = set[tuple[object, ...]]()
        for one in queued:
            share = one[1:]
            if share in full or not _has_place(one, self._running, THREADS_MAX, PER_HOST_THREADS):
                full.add(share)
                continue
            self._queued.remove(one)
            thread = self._running[one] = threading.Thread(target=self._run, args=(one,))
            thread.start()

    def _run(self, one: Delivery) -> None:
        try:
            self._deliver(one.job_id, one.recipient)
        except FluxkeepError as error:
            log.warning("job %s: %s; the notification is sent again", one.job_id, error)
        except Exception as error:  # noqa: BLE001 - its text is not logged: it may hold secrets
            log.error("job %s: unexpected %s", one.job_id, type(error).__name__)  # noqa: TRY400
        with self._lock:
            del self._running[one]
            self._start(self._queued.copy())

    def close(self) -> None:
        """Start no delivery, and wait for those under way, which take at most 20 s."""
        with self._lock:
            self._queued.clear()
            running = list(self._running.values())
        for thread in running:
            thread.join()


def dispatch_due(services: Services, dispatcher: NotificationDispatcher) -> float:
    """Submit a batch of due notifications, each due again later; return a pause in seconds."""
    job_ids = services.due.notifications.members_until(services.store.now(), BATCH)
    for job_id in job_ids:
        job = None
        with suppress(UnreadableRecord):
            job = services.store.load(job_id)
        now = services.store.now()
        pending = job.notifications.pending if job else ()
        due = [one for one in pending if one.at <= now]
        if job is None or not due:
            first_at = min((one.at for one in pending), default=None)
            services.due.notifications.schedule(job_id, first_at)
            continue
        least, most = DEFERRED_SECONDS
        # The newest counts: a receiver that was away for hours delays no other of the job.
        waited_seconds = now - max(one.at for one in due)
        again_at = now + random.uniform(least, most + waited_seconds)  # noqa: S311 - no secret
        again_at = min([again_at, *(one.at for one in pending if one.at > now)])
        services.due.notifications.schedule(job_id, again_at)
        for one in due:
            host = ""
            with suppress(UrlRefused):  # then the delivery fails, and says why
                host = delivery.endpoint_of(services, job, one).url.origin.host
            dispatcher.submit(Delivery(job_id, one.recipient, job.request.key, host))
    return 0.0 if len(job_ids) == BATCH else POLL_SECONDS
