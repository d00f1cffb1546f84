"""Server-Sent Events: one client's stream of changes, and messages rendered once for all."""

import json
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from socket import socket

from jobs import views
from jobs.domain.errors import ArchiveUnavailable, StoreUnavailable
from jobs.domain.job import Job
from jobs.services import Services
from jobs.store.change_stream import Event, EventPosition
from jobs.views import JobView
from receiver.context import current_services
from receiver.feed.broker import CHECK_SECONDS, Broker, Subscriber, client_socket, is_disconnected
from receiver.schemas.responses import DeletedJob, JobEvent, Reset

RETRY_MILLISECONDS = 2000
CACHED_MAX = 256
WAIT_SECONDS = 2.0
HEARTBEAT_SECONDS = 15.0  # routers close connections that are silent for 30 to 60 s
RESET: Reset = {"reason": "too long away"}
NAMES = ("job", "deleted", "reset")


class MessageCache:
    """The latest messages by our origin, as their reader reaches us, and by their event."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._lock = threading.Lock()
        self._cached: dict[tuple[str, Event], str] = {}

    def messages(self, events: Sequence[Event], base_url: str) -> str:
        """The current job of each event, or that it was deleted. Raises StoreUnavailable."""
        if not self._lock.acquire(timeout=WAIT_SECONDS):
            raise StoreUnavailable("Redis does not answer")
        try:
            self._render_missing(events, base_url)
            text = "".join(self._cached[base_url, event] for event in events)
            for oldest in list(self._cached)[:-CACHED_MAX]:
                del self._cached[oldest]
            return text
        finally:
            self._lock.release()

    def _render_missing(self, events: Sequence[Event], base_url: str) -> None:
        missing_events = [event for event in events if (base_url, event) not in self._cached]
        jobs = self._load_jobs(missing_events)
        rendered = views.job_views(self._services, list(jobs.values()), base_url=base_url)
        views_by_id = dict(zip(jobs, rendered, strict=True))
        for event in missing_events:
            self._cached[base_url, event] = _message(event, views_by_id)

    def _load_jobs(self, events: Sequence[Event]) -> dict[str, Job]:
        """The jobs of events by their ids, without the deleted ones."""
        ids_of_events = [event.job_id for event in events if not event.is_deleted]
        ids = list(dict.fromkeys(ids_of_events))  # each once
        jobs = self._services.listing.load_jobs(ids)
        missing_ids = [job_id for job_id in ids if job_id not in jobs]
        if not missing_ids:
            return jobs
        with suppress(ArchiveUnavailable):  # a job that changes now is in Redis
            for job_id, job in self._services.catalog.load_many(missing_ids).items():
                if job:
                    jobs[job_id] = job
        return jobs

    def first_message(self, job: Job, position: EventPosition, base_url: str) -> str:
        """The current job, for the beginning of a stream. Raises StoreUnavailable."""
        (view,) = views.job_views(self._services, [job], base_url=base_url)
        return message("job", view, position)


def _message(event: Event, jobs: dict[str, JobView]) -> str:
    if event.is_deleted:
        deleted: DeletedJob = {"id": event.job_id}
        return message("deleted", deleted, event.position)
    job = jobs.get(event.job_id)
    if job is None:  # deleted meanwhile: a later event says so
        return ""
    change = event.change
    if event.status != job["status"]:
        # The job has moved on: it is shown as it is now, and the event of that status follows.
        change = "details"
    job_event: JobEvent = {**job, "change": change}
    return message("job", job_event, event.position)


def message(name: str, content: object, position: EventPosition | None = None) -> str:
    """One Server-Sent Event; without a position the client keeps the last one."""
    id_line = ""
    if position:
        id_line = f"id: {position}\n"
    content_json = json.dumps(content, separators=(",", ":"))
    return f"event: {name}\n{id_line}data: {content_json}\n\n"


def _base_url_of_request() -> str:
    return current_services().base_url()


@dataclass(slots=True)
class EventStream:
    """Iterator over the response body; stores only its position, so a slow client costs little.

    `job` is a job whose end also ends the stream, or None. Unless the client `resumes`, the first
    event is its current state.
    """

    broker: Broker
    cache: MessageCache
    subscriber: Subscriber
    position: EventPosition
    job: Job | None
    resumes: bool
    owner: str | None  # the API key whose events alone are sent; None: events of all keys
    # Taken from the request, which ends before the stream.
    _base_url: str = field(default_factory=_base_url_of_request)
    _client: socket | None = field(default_factory=client_socket)
    _has_ended: bool = False
    _sent_at: float = field(default_factory=time.monotonic)

    def __iter__(self) -> Iterator[bytes]:
        # Clients remember an id without data: a disconnect before the first event loses nothing.
        yield f"retry: {RETRY_MILLISECONDS}\nid: {self.position}\n\n".encode()
        if self.job and not self.resumes:
            self._has_ended = self.job.status.terminal
            yield self.cache.first_message(self.job, self.position, self._base_url).encode()
        while not self._must_end():
            previous_position = self.position
            text = self._next_events()
            if not text:
                text = self._heartbeat()
            if text:
                self._sent_at = time.monotonic()
                yield text.encode()
            elif self.position == previous_position:
                self.subscriber.wait(CHECK_SECONDS)
        yield b": the end\n\n"

    def _must_end(self) -> bool:
        return self._has_ended or self.broker.closed or is_disconnected(self._client)

    def _next_events(self) -> str:
        """The messages of the next events, if there are any.

        Empty while Redis is down: the client stays connected and receives the events later.
        """
        try:
            batch = self.broker.events_after(self.position, self.subscriber.job_id, self.owner)
            text = self.cache.messages(batch.events, self._base_url)
        except StoreUnavailable:
            return ""
        self.position = batch.end
        if self.job and batch.events:
            self._has_ended = batch.events[-1].is_final
        elif self.job:  # its end may be one of the events that are no longer stored
            self._has_ended = self.job.status.terminal and not batch.complete
        if not batch.complete:
            text = message("reset", RESET) + text
        return text

    def _heartbeat(self) -> str:
        """A comment with the position, so that a client of a quiet job can resume after hours."""
        if time.monotonic() - self._sent_at < HEARTBEAT_SECONDS:
            return ""
        if self.owner:  # a position that moves would tell of the work of other keys
            return ": still here\n\n"
        return f": still here\nid: {self.position}\n\n"
