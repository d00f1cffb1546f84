"""What happens to one job or to all, as Server-Sent Events."""

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

from jobs.errors import StoreUnavailable
from jobs.events import Event, Mark, Stretch
from jobs.job import Job
from receiver.answers import Forgotten, Reset
from receiver.fanout import Fanout, Follower
from receiver.presence import Presence
from receiver.retold import Retold, Texts

RETRY_MILLISECONDS = 2000
HEARTBEAT_SECONDS = 15.0  # routers cut what is silent for 30 to 60 s
LOOK_UP_SECONDS = 1.0
LOST: Reset = {"reason": "too long away"}
NAMES = ("job", "forgotten", "reset")


@dataclass(slots=True)
class Broadcast:
    """One reader's stream. Where it is, is all that is kept for it: a slow one costs no memory.

    `job` is the job that is watched, None for all. A new reader is first told how it stands.
    """

    fanout: Fanout
    retold: Retold
    follower: Follower
    client: Presence
    place: Mark
    job: Job | None
    resumed: bool
    _over: bool = False
    _spoke_at: float = field(default_factory=time.monotonic)

    def __iter__(self) -> Iterator[bytes]:
        self.client.must_read()
        # An id without data is kept by the reader: cut before the first event, it misses nothing.
        yield f"retry: {RETRY_MILLISECONDS}\nid: {self.place}\n\n".encode()
        if not self.resumed:
            yield self._standing().encode()
        while not self._done():
            before = self.place
            if text := self._news() or self._heartbeat():
                self._spoke_at = time.monotonic()
                yield text.encode()
            elif self.place == before:
                self.follower.wait(LOOK_UP_SECONDS)
        yield b": the end\n\n"

    def _done(self) -> bool:
        return self._over or self.fanout.closed or self.client.gone()

    def _standing(self) -> str:
        """How the one job stands that is watched."""
        if self.job is None:
            return ""
        self._over = self.job.state.terminal
        return _event("job", self.place, self.retold.text(self.job))

    def _news(self) -> str:
        """Redis away is no news: the reader is kept, and told when it is back."""
        try:
            stretch = self.fanout.after(self.place, self.follower.job_id)
            texts = self.retold.texts(stretch.events)
        except StoreUnavailable:
            return ""
        return self._told(stretch, texts)

    def _told(self, stretch: Stretch, texts: Texts) -> str:
        events, self.place = stretch.events, stretch.end
        self._over = self.job is not None and bool(events) and events[-1].last
        lines = [] if stretch.whole else [_event("reset", None, json.dumps(LOST))]
        return "".join((*lines, *(_line(event, texts[event.mark]) for event in events)))

    def _heartbeat(self) -> str:
        """With the place, so that a reader of a quiet job can resume after hours."""
        due = time.monotonic() - self._spoke_at >= HEARTBEAT_SECONDS
        return f": still here\nid: {self.place}\n\n" if due else ""


def _line(event: Event, text: str | None) -> str:
    if event.forgotten:
        gone: Forgotten = {"id": event.job_id}
        return _event("forgotten", event.mark, json.dumps(gone))
    # Gone meanwhile: that is said by an event of its own.
    return _event("job", event.mark, text) if text else ""


def _event(name: str, mark: Mark | None, data: str) -> str:
    said = f"id: {mark}\n" if mark else ""
    return f"event: {name}\n{said}data: {data}\n\n"
