"""Broker: one thread reads the event stream and wakes subscribers. Detect disconnected clients."""

import select
import socket
import threading
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Iterator
from itertools import chain
from operator import attrgetter
from typing import Any

from flask import request
from gevent import monkey

from jobs.domain.errors import StoreUnavailable, TooManyWaiting
from jobs.store.change_stream import BATCH_MAX, Event, EventBatch, EventPosition, Events

# gunicorn has 2000 worker_connections: the others stay free for other requests. An API key takes at
# most as many subscriptions as it leaves free for other keys.
SUBSCRIBERS_MAX = 1500
RECENT_MAX = 4000
ALL_JOBS_BATCH_MAX = 100  # each event of all jobs is sent with its job
RETRY_SECONDS = 0.5
CHECK_SECONDS = 1.0  # between two checks of the connection and of the process's shutdown

# Only poll: gunicorn reads from this socket. gevent's own poll would switch greenlets.
_poll: Any = monkey.get_original("select", "poll")
_DISCONNECTED = getattr(select, "POLLRDHUP", 0) | select.POLLHUP | select.POLLERR | select.POLLNVAL


class Subscriber:
    """Waits for events of one job, or of all jobs (None), without a thread or connection."""

    def __init__(self, job_id: str | None, key_name: str | None) -> None:
        self.job_id = job_id
        self.key_name = key_name
        self.woken = threading.Event()

    def wait(self, seconds: float) -> bool:
        """Wait, and return whether it was woken since the last call."""
        if not self.woken.wait(seconds):
            return False  # without clearing: another thread may wake it now
        self.woken.clear()
        return True


class Broker:
    """One copy of the recent events for all subscribers, however slowly they read."""

    def __init__(self, events: Events) -> None:
        self._events = events
        self._lock = threading.Lock()
        self._closed = threading.Event()
        self._subscribers: defaultdict[str | None, set[Subscriber]] = defaultdict(set)
        # The latest events without a gap, behind a mark of where they begin; empty until the start.
        self._recent: list[Event] = []

    @property
    def closed(self) -> bool:
        """Whether the process stops."""
        return self._closed.is_set()

    def close(self) -> None:
        """Wake all subscribers: the process stops."""
        self._closed.set()
        with self._lock:
            _wake(self._all_subscribers())

    # Subscriptions.

    def subscribe(self, job_id: str | None, key_name: str | None) -> Subscriber:
        """Raises TooManyWaiting, StoreUnavailable."""
        with self._lock:
            if not self._recent:  # only now: gunicorn has forked
                self._recent = [_mark(self._events.end())]
                threading.Thread(target=self._listen, name="events", daemon=True).start()
            self._require_room(key_name)
            subscriber = Subscriber(job_id, key_name)
            self._subscribers[job_id].add(subscriber)
        return subscriber

    def _require_room(self, key_name: str | None) -> None:
        """Raises TooManyWaiting."""
        key_names = [subscriber.key_name for subscriber in self._all_subscribers()]
        if len(key_names) + key_names.count(key_name) >= SUBSCRIBERS_MAX:
            raise TooManyWaiting

    def unsubscribe(self, subscriber: Subscriber) -> None:
        """Forget a subscriber."""
        with self._lock:
            subscribers_of_job = self._subscribers[subscriber.job_id]
            subscribers_of_job.discard(subscriber)
            if not subscribers_of_job:
                del self._subscribers[subscriber.job_id]

    def _all_subscribers(self) -> Iterator[Subscriber]:
        return chain.from_iterable(self._subscribers.values())

    def events_after(
        self, position: EventPosition, job_id: str | None, owner: str | None = None
    ) -> EventBatch:
        """The events after a position, of one job or of all, and of one API key or of all.

        Read from Redis only for positions before the recent events. Raises StoreUnavailable.
        """
        limit = BATCH_MAX
        if job_id is None:
            limit = ALL_JOBS_BATCH_MAX
        batch = self._recent_events_after(position, limit)
        if batch is None:
            batch = self._events.events_after(position, limit)
        events = batch.events
        if job_id is not None:
            events = [event for event in events if event.job_id == job_id]
        if owner is not None:
            events = [event for event in events if event.key == owner]
        return batch._replace(events=events)

    def _recent_events_after(self, position: EventPosition, limit: int) -> EventBatch | None:
        """The recent events after a position; None if the position is outside of them."""
        with self._lock:
            recent = self._recent
            if not recent:
                return None
            if position < recent[0].position or position > recent[-1].position:
                return None
            first = bisect_right(recent, position, key=attrgetter("position"))
            events = recent[first : first + limit]
        end = position
        if events:
            end = events[-1].position
        return EventBatch(events, complete=True, end=end)

    # The listener.

    def _listen(self) -> None:
        while not self.closed:
            try:
                end = self._recent[-1].position
                self._events.wait(end)
                batch = self._events.events_after(end)
            except StoreUnavailable:
                self._closed.wait(RETRY_SECONDS)
            else:
                self._publish(batch)

    def _publish(self, batch: EventBatch) -> None:
        with self._lock:
            if not batch.complete:
                self._recent = [_mark(batch.end)]
                _wake(self._all_subscribers())
                return
            self._recent = (self._recent + batch.events)[-RECENT_MAX:]
            for event in batch.events:
                _wake(self._subscribers.get(event.job_id, ()))
                _wake(self._subscribers.get(None, ()))


def _mark(position: EventPosition) -> Event:
    """An event of no job, at the position where the recent events begin."""
    return Event(position, job_id="", status="")


def _wake(subscribers: Iterable[Subscriber]) -> None:
    for subscriber in subscribers:
        subscriber.woken.set()


def client_socket() -> socket.socket | None:
    """Socket of the current request; without gunicorn the client counts as connected."""
    client: socket.socket | None = request.environ.get("gunicorn.socket")
    return client


def is_disconnected(client: socket.socket | None) -> bool:
    """Whether a client has closed its connection, or only its sending side."""
    if client is None:
        return False
    poll = _poll()
    poll.register(client.fileno(), _DISCONNECTED)
    return bool(poll.poll(0))
