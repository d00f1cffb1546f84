"""Stream of visible changes: ids and statuses of jobs, in the order of the commits."""

import re
from collections.abc import Iterator, Sequence
from operator import attrgetter
from typing import Any, Literal, NamedTuple, Self

from jobs.domain.job import Job
from jobs.domain.job_record import PUBLIC_FIELDS
from jobs.domain.status import TERMINAL
from jobs.store.redis.client import StoreClient
from jobs.store.redis.keys import EVENTS
from jobs.store.redis.scripts import Command

EVENTS_MAX = 20_000  # some megabytes, and hours of an ordinary day
DELETED = "deleted"  # instead of a status
ID = "id"
STATUS = "status"
CHANGE = "change"
KEY = "key"
BATCH_MAX = 500
BLOCK_MILLISECONDS = 1000  # less than the time-out of the connection

# `media`: a thumbnail was made, or a file was found deleted.
ChangeKind = Literal["status", "media", "details"]

POSITION_FORM = r"[0-9]{1,19}-[0-9]{1,19}"
_FINAL = TERMINAL | {DELETED}

_public_part = attrgetter(*PUBLIC_FIELDS)


def change_event(before: Job | None, after: Job) -> Iterator[Command]:
    """The command that adds an event, if the public part of the job differs."""
    if before and _public_part(before) == _public_part(after):
        return
    kind: ChangeKind = "status"
    if before and before.status is after.status:
        kind = "media"
        if before.media == after.media:
            kind = "details"
    yield (*_event(after, after.status), CHANGE, kind)


def deletion_event(job: Job) -> Command:
    """The command that adds the event of a deleted job."""
    return _event(job, DELETED)


def _event(job: Job, status: str) -> Command:
    event = ("XADD", EVENTS, "MAXLEN", "~", EVENTS_MAX, "*", ID, job.id, STATUS, status)
    if not job.request.key:
        return event
    return (*event, KEY, job.request.key)


class EventPosition(NamedTuple):
    """A stream id: milliseconds and a number within them."""

    milliseconds: int
    number: int

    def __str__(self) -> str:
        return f"{self.milliseconds}-{self.number}"

    @classmethod
    def parse(cls, text: str) -> Self:
        """Raises ValueError."""
        if not re.fullmatch(POSITION_FORM, text):
            raise ValueError("give an id that this API gave out")
        milliseconds, _, number = text.partition("-")
        return cls(int(milliseconds), int(number))


class Event(NamedTuple):
    """A change of a job that its user can see."""

    position: EventPosition
    job_id: str
    status: str
    change: ChangeKind = "details"
    key: str | None = None  # name of the API key of the job

    @property
    def is_deleted(self) -> bool:
        return self.status == DELETED

    @property
    def is_final(self) -> bool:
        """Whether the job has ended or was deleted."""
        return self.status in _FINAL


class EventBatch(NamedTuple):
    """Events in a row; not `complete` when some before them are no longer in the stream."""

    events: list[Event]
    complete: bool
    end: EventPosition


class Events:
    """Reader of the stream. Raises StoreUnavailable."""

    def __init__(self, redis: StoreClient) -> None:
        self._redis = redis

    def end(self) -> EventPosition:
        """The position after everything that has happened."""
        newest = self._redis.xrevrange(EVENTS, count=1)
        if newest:
            return _position(newest[0][0])
        seconds, microseconds = self._redis.time()
        # The first event may come in this very millisecond, and it gets the number 0.
        return EventPosition(seconds * 1000 + microseconds // 1000 - 1, 0)

    def wait(self, position: EventPosition) -> None:
        """Return when there is an event after a position, or after a second."""
        self._redis.xread({EVENTS: str(position)}, 1, BLOCK_MILLISECONDS)

    def events_after(self, position: EventPosition, most: int = BATCH_MAX) -> EventBatch:
        """The events after a position, oldest first."""
        with self._redis.round_trip() as pipe:
            # Read first, so that what is cut off meanwhile cannot be missing unnoticed.
            pipe.xrange(EVENTS, f"({position}", count=most)
            pipe.xlen(EVENTS)
            pipe.xrange(EVENTS, count=1)
            pipe.xrevrange(EVENTS, count=1)
            entries, length, oldest, newest = pipe.execute()
        events = [_parse_event(name, entry) for name, entry in entries]
        is_cut = False
        if length >= EVENTS_MAX:  # a shorter stream was never cut
            is_cut = position < _first_position(oldest)
        is_lost = bool(newest) and _first_position(newest) < position  # Redis lost its data
        last_position = position
        if events:
            last_position = events[-1].position
        elif is_lost:
            last_position = _first_position(newest)
        is_complete = not (is_cut or is_lost)
        return EventBatch(events, is_complete, last_position)


def _parse_event(name: bytes, entry: dict[bytes, bytes]) -> Event:
    fields: dict[str, Any] = {key.decode(): value.decode() for key, value in entry.items()}
    change = fields.get(CHANGE, "details")
    return Event(_position(name), fields[ID], fields[STATUS], change, fields.get(KEY))


def _first_position(entries: Sequence[tuple[bytes, Any]]) -> EventPosition:
    name, _fields = entries[0]
    return _position(name)


def _position(name: bytes) -> EventPosition:
    return EventPosition.parse(name.decode())
