"""Dispatcher of due notifications: one pool of threads, its places counted by key and host.

It runs in the sweep process, so a slow receiver occupies no worker, and no key or host takes more
places than it leaves to others. Pending notifications are in the record: none is lost with us.
"""

import logging
import random
import threading
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from typing import NamedTuple

from jobs.domain.errors import FluxkeepError, UnreadableRecord, UrlRefused
from jobs.domain.job import Job
from jobs.domain.job_record import PendingNotification
from jobs.services import Services
from worker.notifications.delivery import endpoint_of

POLL_SECONDS = 0.5
BATCH = 200
THREADS_MAX = 128
PER_HOST_THREADS = 4
PENDING_MAX = 2048  # further ones wait in Redis
PER_HOST_PENDING_MAX = 64
# A notification is due again in Redis after a random time between these, in case there is no room
# for it now or this process dies. So it hides no later ones; the longer it has waited, the longer.
DEFERRED_MIN_SECONDS = 5.0
DEFERRED_MAX_SECONDS = 60.0

log = logging.getLogger(__name__)


class Delivery(NamedTuple):
    """A due notification, the API key of its job, and its receiver's host."""

    job_id: str
    recipient: str
    key: str | None
    host: str

    @property
    def share(self) -> "Share":
        return Share(self.recipient, self.key, self.host)


class Share(NamedTuple):
    """The deliveries that share places: those for one recipient, key and host."""

    recipient: str
    key: str | None
    host: str


class Places(NamedTuple):
    """The places for each recipient: a job's own receivers take none of NOTIFY_URL.

    Nor does one URL of NOTIFY_URL take a place of another one.
    """

    total: int
    per_host: int

    def has_one_for(self, candidate: Delivery, occupants: Iterable[Delivery]) -> bool:
        """Whether its key, and its host for this key, leave as many places free as they take."""
        recipient_count = 0
        key_count = 0
        host_count = 0
        for occupant in occupants:
            if occupant.recipient != candidate.recipient:
                continue
            recipient_count += 1
            if occupant.key != candidate.key:
                continue
            key_count += 1
            if occupant.host == candidate.host:
                host_count += 1
        has_total = recipient_count + key_count + host_count < self.total
        return has_total and host_count < self.per_host


RUNNING = Places(THREADS_MAX, PER_HOST_THREADS)
PENDING = Places(PENDING_MAX, PER_HOST_PENDING_MAX)


class NotificationDispatcher:
    """Deliver each notification in a thread as soon as it has a place."""

    def __init__(self, deliver: Callable[[str, str], object]) -> None:
        self._deliver = deliver
        self._queued: list[Delivery] = []
        self._running: dict[Delivery, threading.Thread] = {}
        self._lock = threading.Lock()

    def submit(self, delivery: Delivery) -> bool:
        """Queue a notification, unless it is queued. False when there is no room for it."""
        with self._lock:
            pending = self._queued + list(self._running)
            if delivery in pending:
                return True
            if not PENDING.has_one_for(delivery, pending):
                return False
            self._queued.append(delivery)
            self._start([delivery])
        return True

    def _start(self, candidates: list[Delivery]) -> None:
        """Start each candidate that has a place, the first one first."""
        full_shares = set[Share]()
        for candidate in candidates:
            share = candidate.share
            if share in full_shares:
                continue
            if not RUNNING.has_one_for(candidate, self._running):
                full_shares.add(share)
                continue
            self._queued.remove(candidate)
            thread = threading.Thread(target=self._run, args=(candidate,))
            self._running[candidate] = thread
            thread.start()

    def _run(self, delivery: Delivery) -> None:
        try:
            self._deliver(delivery.job_id, delivery.recipient)
        except FluxkeepError as error:
            log.warning("job %s: %s; the notification is sent again", delivery.job_id, error)
        except Exception as error:  # noqa: BLE001 - its text is not logged: it may hold secrets
            kind = type(error).__name__
            log.error("job %s: unexpected %s", delivery.job_id, kind)  # noqa: TRY400
        with self._lock:
            del self._running[delivery]
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
        job: Job | None = None
        with suppress(UnreadableRecord):
            job = services.store.load(job_id)
        if job is None:
            services.due.notifications.remove(job_id)
        else:
            _dispatch_notifications_of(services, dispatcher, job)
    if len(job_ids) == BATCH:
        return 0.0
    return POLL_SECONDS


def _dispatch_notifications_of(
    services: Services, dispatcher: NotificationDispatcher, job: Job
) -> None:
    now = services.store.now()
    due_notifications = list[PendingNotification]()
    later_times = list[float]()
    for notification in job.notifications.pending:
        if notification.at <= now:
            due_notifications.append(notification)
        else:
            later_times.append(notification.at)
    if not due_notifications:
        first_at = min(later_times, default=None)
        services.due.notifications.schedule(job.id, first_at)
        return
    due_again_at = _due_again_at(now, due_notifications)
    services.due.notifications.schedule(job.id, min([due_again_at, *later_times]))
    for notification in due_notifications:
        host = ""
        with suppress(UrlRefused):  # then the delivery fails, and says why
            endpoint = endpoint_of(services, job, notification)
            host = endpoint.url.origin.host
        dispatcher.submit(Delivery(job.id, notification.recipient, job.request.key, host))


def _due_again_at(now: float, due_notifications: Sequence[PendingNotification]) -> float:
    """A random time; the later, the longer the newest one has waited.

    The newest one counts: a receiver that was away for hours delays no other of the job.
    """
    newest_at = max(notification.at for notification in due_notifications)
    longest_seconds = DEFERRED_MAX_SECONDS + now - newest_at
    seconds = random.uniform(DEFERRED_MIN_SECONDS, longest_seconds)  # noqa: S311 - no secret
    return now + seconds
