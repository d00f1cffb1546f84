"""Lists of jobs, newest first, at a cost that follows the page and not the store."""

from collections.abc import Iterable
from typing import Any, NamedTuple

from redis import Redis

from jobs import records
from jobs.clock import unavailable
from jobs.errors import BrokenRecord
from jobs.job import Job
from jobs.keys import INDEX, RECORDS
from jobs.states import State


class Position(NamedTuple):
    """Where a job stands in a list: its creation time and id."""

    created_at: float
    id: str


_END = Position(float("-inf"), "")


class Page(NamedTuple):
    """Some jobs, and the place after which the list goes on, None at its end."""

    jobs: list[Job]
    last: Position | None


class Pages:
    """Reads the indexes: one sorted set of ids by creation time for each state."""

    def __init__(self, redis: Redis) -> None:
        self._redis: Any = redis  # its answers are typed for every setting; here they are bytes

    def page(self, states: Iterable[State], limit: int, before: Position | None) -> Page:
        """Up to `limit` jobs in these states, newest first, older than the position `before`."""
        with unavailable():
            found = self._positions(tuple(states), limit + 1, before)
            keys = [RECORDS + position.id for position in found[:limit]]
            raw = self._redis.mget(keys) if keys else []
        jobs = [job for record in raw if record and (job := _readable(record))]
        # By place and not by what could be read: a job deleted meanwhile does not end the list.
        return Page(jobs, found[limit - 1] if len(found) > limit else None)

    def _positions(
        self, states: tuple[State, ...], limit: int, before: Position | None
    ) -> list[Position]:
        """The states' indexes are read in one transaction and merged."""
        top = "+inf" if before is None else before.created_at
        count = limit
        while True:
            answers = self._read(states, top, count)
            # Behind the end of an index that was not read to its end, jobs could be missing.
            horizon = max((rows[-1] for rows in answers if len(rows) == count), default=_END)
            merged = sorted((place for rows in answers for place in rows), reverse=True)
            found = [
                place for place in merged if place >= horizon and (not before or place < before)
            ]
            # Jobs created in the very same microsecond share a score and may fill the page.
            if len(found) >= limit or horizon == _END:
                return found[:limit]
            count += limit

    def _read(
        self, states: tuple[State, ...], top: float | str, count: int
    ) -> list[list[Position]]:
        with self._redis.pipeline() as pipe:
            for state in states:
                pipe.zrevrangebyscore(INDEX + state, top, "-inf", 0, count, withscores=True)
            answers = pipe.execute()
        return [[Position(at, job_id.decode()) for job_id, at in rows] for rows in answers]


def _readable(record: bytes) -> Job | None:
    """A broken record must not hide the others."""
    try:
        return records.decode(record)
    except BrokenRecord:
        return None
