"""Wakes who waits and watches in this process: one listener reads the stream for all of them."""

import logging
import threading
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from operator import attrgetter

from jobs.errors import Crowded, StoreUnavailable
from jobs.events import BATCH_MAX, Event, Events, Mark, Stretch

# Of gunicorn's worker_connections: callbacks and questions must find a place beside them.
FOLLOWERS_MAX = 1000
REMEMBERED_MAX = 2000
FOR_ALL_MAX = 100  # at once to a reader who has to be shown each of them
PAUSE_SECONDS = 0.5

log = logging.getLogger(__name__)


class Follower:
    """One that waits for news of a job, or of all (None): no thread, no connection of its own."""

    def __init__(self, job_id: str | None, since: Mark, *, ends_only: bool) -> None:
        self.job_id = job_id
        self.since = since
        self._ends_only = ends_only
        self._news = threading.Event()

    def hear(self, event: Event) -> None:
        if event.last or not self._ends_only:
            self.wake()

    def wake(self) -> None:
        self._news.set()

    def wait(self, seconds: float) -> bool:
        """Whether there was news since the last time it was asked."""
        if not self._news.wait(seconds):
            return False  # without clearing: there can be news just now
        self._news.clear()
        return True


class Fanout:
    """What happened lately, kept once for all who follow, however slowly they read."""

    def __init__(self, events: Events) -> None:
        self._events = events
        self._beginning = threading.Lock()
        self._lock = threading.Lock()
        self._closed = threading.Event()
        self._followers: defaultdict[str | None, set[Follower]] = defaultdict(set)
        self._count = 0
        self._lately: list[Event] = []
        self._start = self._end = Mark(0, 0)
        self._begun = self._sure = False

    @property
    def closed(self) -> bool:
        return self._closed.is_set()

    def close(self) -> None:
        """This process is told to stop: nobody waits any longer."""
        self._closed.set()
        with self._lock:
            self._wake_all()

    # Those who follow.

    @contextmanager
    def following(self, job_id: str | None, *, ends_only: bool = False) -> Iterator[Follower]:
        """Hears whatever happens from now on. Raises Crowded, StoreUnavailable."""
        follower = self.join(job_id, ends_only=ends_only)
        try:
            yield follower
        finally:
            self.leave(follower)

    def join(self, job_id: str | None, *, ends_only: bool = False) -> Follower:
        """The same for one that leaves elsewhere."""
        self._begin()
        with self._lock:
            if self._count >= FOLLOWERS_MAX:
                raise Crowded
            self._count += 1
            follower = Follower(job_id, self._end, ends_only=ends_only)
            self._followers[job_id].add(follower)
        return follower

    def leave(self, follower: Follower) -> None:
        with self._lock:
            followers = self._followers[follower.job_id]
            self._count -= follower in followers
            followers.discard(follower)
            if not followers:
                del self._followers[follower.job_id]

    def after(self, place: Mark, job_id: str | None) -> Stretch:
        """What came after a place, of one job or of all. Raises StoreUnavailable.

        Redis is asked only by those who are so far behind that it is not remembered here.
        """
        most = FOR_ALL_MAX if job_id is None else BATCH_MAX
        stretch = self._remembered(place, most) or self._events.after(place, most)
        events = [event for event in stretch.events if job_id in (None, event.job_id)]
        return stretch._replace(events=events)

    def _remembered(self, place: Mark, most: int) -> Stretch | None:
        with self._lock:
            if not self._begun or not self._start <= place <= self._end:
                return None
            first = bisect_right(self._lately, place, key=attrgetter("mark"))
            events = self._lately[first : first + most]
        return Stretch(events, whole=True, end=events[-1].mark if events else place)

    # The listener.

    def _begin(self) -> None:
        """Not before somebody follows, and so never before gunicorn has forked."""
        with self._beginning:
            if not self._begun:
                self._start = self._end = self._events.end()
                threading.Thread(target=self._listen, name="events", daemon=True).start()
                self._begun = True

    def _listen(self) -> None:
        while not self.closed:
            try:
                self._take(self._next())
            except StoreUnavailable:
                self._sure = False
                self._closed.wait(PAUSE_SECONDS)

    def _next(self) -> Stretch:
        """Once it was away or fell behind, it makes sure that nothing is missing."""
        if self._sure:
            found = self._events.next(self._end)
            if len(found) < BATCH_MAX:
                return Stretch(found, whole=True, end=found[-1].mark if found else self._end)
        stretch = self._events.after(self._end)
        self._sure = len(stretch.events) < BATCH_MAX
        return stretch

    def _take(self, stretch: Stretch) -> None:
        with self._lock:
            self._end = stretch.end
            if not stretch.whole:
                self._lately, self._start = [], stretch.end
                self._wake_all()
                return
            self._lately += stretch.events
            self._shorten()
            for event in stretch.events:
                for name in (event.job_id, None):
                    for follower in self._followers.get(name, ()):
                        follower.hear(event)

    def _shorten(self) -> None:
        if len(self._lately) > 2 * REMEMBERED_MAX:
            self._start = self._lately[-REMEMBERED_MAX - 1].mark
            del self._lately[:-REMEMBERED_MAX]

    def _wake_all(self) -> None:
        for followers in self._followers.values():
            for follower in followers:
                follower.wake()
