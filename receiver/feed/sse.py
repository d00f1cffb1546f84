"""Server-Sent Events: one client's stream of changes of one job or of all."""

import time
from collections.abc import Iterator
from dataclasses import dataclass, field

from jobs.domain.errors import StoreUnavailable
from jobs.domain.job import Job
from jobs.store.change_stream import EventBatch, EventPosition
from receiver.context import services
from receiver.feed.broker import Broker, Subscriber
from receiver.feed.client_socket import CHECK_SECONDS, ClientSocket
from receiver.feed.message_cache import MessageCache, message
from receiver.schemas.responses import Reset

RETRY_MILLISECONDS = 2000
HEARTBEAT_SECONDS = 15.0  # routers close connections that are silent for 30 to 60 s
RESET: Reset = {"reason": "too long away"}
NAMES = ("job", "deleted", "reset")


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
    owner: str | None  # the API key whose events alone are sent; None: all
    # Of the request, which ends before the stream.
    _base_url: str = field(default_factory=lambda: services().base_url())
    _client: ClientSocket = field(default_factory=ClientSocket)
    _has_ended: bool = False
    _sent_at: float = field(default_factory=time.monotonic)

    def __iter__(self) -> Iterator[bytes]:
        # Clients remember an id without data: a disconnect before the first event loses nothing.
        yield f"retry: {RETRY_MILLISECONDS}\nid: {self.position}\n\n".encode()
        if self.job and not self.resumes:
            self._has_ended = self.job.status.terminal
            yield self.cache.first_message(self.job, self.position, self._base_url).encode()
        while not (self._has_ended or self.broker.closed or self._client.is_disconnected()):
            before = self.position
            if text := self._next_events() or self._heartbeat():
                self._sent_at = time.monotonic()
                yield text.encode()
            elif self.position == before:
                self.subscriber.wait(CHECK_SECONDS)
        yield b": the end\n\n"

    def _next_events(self) -> str:
        """Empty while Redis is down: the client stays connected and receives the events later."""
        try:
            batch = self.broker.after(self.position, self.subscriber.job_id, self.owner)
            text = self.cache.messages(batch.events, self._base_url)
        except StoreUnavailable:
            return ""
        self.position = batch.end
        self._has_ended = self._is_over(batch)
        return text if batch.complete else message("reset", RESET) + text

    def _is_over(self, batch: EventBatch) -> bool:
        """Whether the streamed job has ended, perhaps in an event that is no longer stored."""
        if self.job is None:
            return False
        if batch.events:
            return batch.events[-1].is_final
        return self.job.status.terminal and not batch.complete

    def _heartbeat(self) -> str:
        """A comment with the position, so that a client of a quiet job can resume after hours."""
        if time.monotonic() - self._sent_at < HEARTBEAT_SECONDS:
            return ""
        # That the position has moved would tell an owner that others are at work.
        return ": still here\n\n" if self.owner else f": still here\nid: {self.position}\n\n"
