"""Server-Sent Events: one reader's stream of changes of one job or of all."""

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

from jobs.errors import StoreUnavailable
from jobs.job import Job
from jobs.store.events import Event, EventBatch, EventPosition
from receiver.feed.broker import Broker, Subscriber
from receiver.feed.client_socket import ClientSocket
from receiver.feed.job_cache import Documents, JobCache
from receiver.schemas.responses import Forgotten, Reset

RETRY_MILLISECONDS = 2000
HEARTBEAT_SECONDS = 15.0  # routers cut connections that are silent for 30 to 60 s
CHECK_SECONDS = 1.0  # between two looks whether the client is connected and the process goes on
LOST: Reset = {"reason": "too long away"}
NAMES = ("job", "forgotten", "reset")


@dataclass(slots=True)
class EventStream:
    """Only the position is kept for each reader: a slow one costs no memory.

    `job` is the job that is watched, None for all. Unless the reader `resumes`, the first event is
    its present state.
    """

    broker: Broker
    cache: JobCache
    subscriber: Subscriber
    client: ClientSocket
    position: EventPosition
    job: Job | None
    resumes: bool
    _over: bool = False
    _sent_at: float = field(default_factory=time.monotonic)

    def __iter__(self) -> Iterator[bytes]:
        # Readers keep an id without data: cut before the first event, they miss nothing.
        yield f"retry: {RETRY_MILLISECONDS}\nid: {self.position}\n\n".encode()
        if self.job and not self.resumes:
            self._over = self.job.status.terminal
            yield _event("job", self.position, self.cache.document(self.job)).encode()
        while not self._is_done():
            before = self.position
            if text := self._news() or self._heartbeat():
                self._sent_at = time.monotonic()
                yield text.encode()
            elif self.position == before:
                self.subscriber.wait(CHECK_SECONDS)
        yield b": the end\n\n"

    def _is_done(self) -> bool:
        return self._over or self.broker.closed or self.client.has_hung_up()

    def _news(self) -> str:
        """Empty while Redis is away: the reader stays connected and gets it afterwards."""
        try:
            batch = self.broker.after(self.position, self.subscriber.job_id)
            documents = self.cache.documents(batch.events)
        except StoreUnavailable:
            return ""
        return self._render(batch, documents)

    def _render(self, batch: EventBatch, documents: Documents) -> str:
        self.position = batch.end
        self._over = self.job is not None and bool(batch.events) and batch.events[-1].is_final
        reset = [] if batch.complete else [_event("reset", None, json.dumps(LOST))]
        return "".join((*reset, *(_change(event, documents) for event in batch.events)))

    def _heartbeat(self) -> str:
        """With the position, so that a reader of a quiet job can resume after hours."""
        due = time.monotonic() - self._sent_at >= HEARTBEAT_SECONDS
        return f": still here\nid: {self.position}\n\n" if due else ""


def _change(event: Event, documents: Documents) -> str:
    if event.is_deleted:
        forgotten: Forgotten = {"id": event.job_id}
        return _event("forgotten", event.position, json.dumps(forgotten))
    document = documents[event.position]
    # A job that is gone by now has a later event that says so.
    return _event("job", event.position, document) if document else ""


def _event(name: str, position: EventPosition | None, data: str) -> str:
    number = f"id: {position}\n" if position else ""
    return f"event: {name}\n{number}data: {data}\n\n"
