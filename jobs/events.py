"""The stream of changes in Redis: which job changed, in the order of the commits."""

import re
from collections.abc import Iterable
from typing import Any, NamedTuple, Self

from redis import Redis

from jobs.changes import ANNOUNCED_MAX, FORGOTTEN, ID, STATE
from jobs.clock import unavailable
from jobs.keys import EVENTS
from jobs.states import TERMINAL

BATCH_MAX = 500
BLOCK_MILLISECONDS = 1000  # less than the time-out of the connection

MARK = r"[0-9]{1,19}-[0-9]{1,19}"
_LAST = frozenset({*TERMINAL, FORGOTTEN})


class Mark(NamedTuple):
    """A place in the stream: milliseconds and a number within them."""

    milliseconds: int
    number: int

    def __str__(self) -> str:
        return f"{self.milliseconds}-{self.number}"

    @classmethod
    def read(cls, text: str) -> Self:
        """Raises ValueError."""
        if not re.fullmatch(MARK, text):
            raise ValueError("not an id that this API gave out")
        milliseconds, _, number = text.partition("-")
        return cls(int(milliseconds), int(number))


class Event(NamedTuple):
    """A job changed in a way that its user could see."""

    mark: Mark
    job_id: str
    state: str

    @property
    def forgotten(self) -> bool:
        return self.state == FORGOTTEN

    @property
    def last(self) -> bool:
        """Whether the job has come to its end with it."""
        return self.state in _LAST


class Stretch(NamedTuple):
    """Some events in a row; `whole` unless others before them are no longer held."""

    events: list[Event]
    whole: bool
    end: Mark


class Events:
    """Reads the stream. Raises StoreUnavailable."""

    def __init__(self, redis: Redis) -> None:
        self._redis: Any = redis  # its answers are typed for every setting; here they are bytes

    def end(self) -> Mark:
        """The place behind everything that has happened."""
        with unavailable():
            newest = self._redis.xrevrange(EVENTS, count=1)
            return _mark(newest[0][0]) if newest else Mark(int(self._redis.time()[0]) * 1000, 0)

    def next(self, after: Mark) -> list[Event]:
        """What comes after a place; waits a while for it. For one listener in a process."""
        with unavailable():
            found = self._redis.xread({EVENTS: str(after)}, BATCH_MAX, BLOCK_MILLISECONDS)
        return _read(found[0][1]) if found else []

    def after(self, place: Mark, most: int = BATCH_MAX) -> Stretch:
        """What is held of what came after a place, oldest first."""
        with unavailable(), self._redis.pipeline() as pipe:
            pipe.xlen(EVENTS)
            pipe.xrange(EVENTS, count=1)
            pipe.xrevrange(EVENTS, count=1)
            pipe.xrange(EVENTS, f"({place}", count=most)
            length, oldest, newest, found = pipe.execute()
        events = _read(found)
        # A stream this short was never cut. An end before the place: Redis lost its data.
        cut = length >= ANNOUNCED_MAX and place < _mark(oldest[0][0])
        lost = bool(newest) and _mark(newest[0][0]) < place
        end = _mark(newest[0][0]) if lost else place
        return Stretch(events, not (cut or lost), events[-1].mark if events else end)


def _read(entries: Iterable[Any]) -> list[Event]:
    return [
        Event(_mark(name), said[ID.encode()].decode(), said[STATE.encode()].decode())
        for name, said in entries
    ]


def _mark(name: bytes) -> Mark:
    return Mark.read(name.decode())
