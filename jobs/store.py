"""Redis: the only file that knows its keys. Every change to a job is one compare-and-set.

Keys: `fluxkeep:job:<id>` record · `fluxkeep:due` when each unfinished job must be looked at ·
`fluxkeep:waiting` work for workers, most urgent first · `fluxkeep:jobs:<state>` ids by creation ·
`fluxkeep:refusals:<id>` callbacks that
proved nothing · `fluxkeep:counts` counters · `fluxkeep:seen` heartbeats.
"""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any, NamedTuple

from redis import Redis
from redis.exceptions import RedisError

from jobs import records, scripts
from jobs.errors import StoreUnavailable
from jobs.job import Job, Moment
from jobs.queues import ENTRY_TTL_SECONDS, Entry, Hints
from jobs.states import State

RACES_MAX = 100
REFUSALS_MAX = 10
REFUSALS_KEPT_SECONDS = 7 * 86400
NO_COUNTS: Mapping[str, int] = MappingProxyType({})
RECORDS = "fluxkeep:job:"
DUE = "fluxkeep:due"
WAITING = "fluxkeep:waiting"
REFUSALS = "fluxkeep:refusals:"
COUNTS = "fluxkeep:counts"
SEEN = "fluxkeep:seen"
INDEX = "fluxkeep:jobs:"

Step = Callable[[Job | None, float], Job | None]


class Tally(NamedTuple):
    """What there is to count at this moment."""

    counts: Mapping[str, int]
    jobs: Mapping[State, int]
    due: int
    waiting: int


class Change(NamedTuple):
    """What a compare-and-set found and left; the same object twice when nothing was written."""

    before: Job | None
    after: Job | None

    @property
    def written(self) -> bool:
        return self.after is not self.before


@dataclass(frozen=True, slots=True)
class Due:
    """What the sweep finds: job ids that are due, waiting ids that RQ has no entry for."""

    now: float
    ids: tuple[str, ...]
    unhinted: tuple[str, ...]
    next_at: float | None


class Store:
    """The records. Every method raises StoreUnavailable while Redis does not answer."""

    def __init__(self, redis: Redis, hints: Hints) -> None:
        self._redis: Any = redis  # its answers are typed for every setting; here they are bytes
        self._hints = hints
        self._commit_script = redis.register_script(scripts.COMMIT)
        self._load_script = redis.register_script(scripts.LOAD)
        self._urgent_script = redis.register_script(scripts.MOST_URGENT)
        self._refuse_script = redis.register_script(scripts.REFUSE)
        self._due_script = redis.register_script(scripts.DUE)
        self._offset: float | None = None

    # The clock of Redis, carried on by our own monotonic one between two answers.

    def now(self) -> float:
        if self._offset is None:
            with _unavailable():
                self._heard(self._redis.time())
        return time.monotonic() + (self._offset or 0.0)

    def _heard(self, clock: Any) -> float:
        now = int(clock[0]) + int(clock[1]) / 1e6
        self._offset = now - time.monotonic()
        return now

    # One job.

    def load(self, job_id: str) -> Job | None:
        """The job with this id, or None. Raises BrokenRecord too."""
        with _unavailable():
            clock, record = self._load_script(keys=[RECORDS + job_id])
        self._heard(clock)
        return records.decode(record) if record else None

    def change(
        self, job_id: str, step: Step, *, counts: Mapping[str, int] = NO_COUNTS, new: bool = False
    ) -> Change:
        """Apply a pure step to a job until nobody wrote in between.

        A step that returns its own argument writes nothing. With `new` the first try assumes
        that there is no record yet, which saves the read when that is so.
        """
        before = None if new else self.load(job_id)
        for _ in range(RACES_MAX):
            after = step(before, self.now())
            if after is before or after is None:
                return Change(before, before)
            won, current = self._commit(before, after, counts)
            if won:
                return Change(before, replace(after, version=after.version + 1))
            # Somebody else wrote first: their record is the truth to start from.
            before = current
        raise StoreUnavailable("a record changes faster than it can be written")

    def _commit(
        self, before: Job | None, after: Job, counts: Mapping[str, int]
    ) -> tuple[bool, Job | None]:
        version = before.version if before else 0
        entry = self._entry(before, after)
        args = [
            version,
            records.encode(after, version + 1),
            after.id,
            after.created_at,
            "" if after.look_at is None else after.look_at,
            "" if after.wanted is None else after.wanted,
            ENTRY_TTL_SECONDS,
            len(counts),
            *(part for pair in counts.items() for part in pair),
            entry.id if entry else "",
            *(entry.flat if entry else ()),
        ]
        with _unavailable():
            clock, won, current = self._commit_script(
                keys=self._keys(before, after, entry), args=args
            )
        self._heard(clock)
        return bool(won), records.decode(current) if current else None

    def _keys(self, before: Job | None, after: Job, entry: Entry | None) -> list[str]:
        return [
            RECORDS + after.id,
            DUE,
            WAITING,
            COUNTS,
            INDEX + (before.state if before else "none"),
            INDEX + after.state,
            entry.key if entry else "",
            self._hints.queue_key,
            self._hints.queues_key,
        ]

    def _entry(self, before: Job | None, after: Job) -> Entry | None:
        """A hint goes with every job that newly waits for a worker."""
        newly = after.wanted is not None and (before is None or before.wanted is None)
        return self._hints.entry(after.id) if newly else None

    # Callbacks that proved nothing.

    def note_refusal(self, job_id: str | None, reason: str) -> None:
        """Count a refused callback, and keep the reason beside the job it claims to be about."""
        keys = [RECORDS + (job_id or ""), REFUSALS + (job_id or ""), COUNTS]
        with _unavailable():
            self._refuse_script(keys=keys, args=[reason, REFUSALS_MAX, REFUSALS_KEPT_SECONDS])

    def refusals(self, job_ids: Sequence[str]) -> list[tuple[Moment, ...]]:
        """The latest refused callbacks of each of these jobs, oldest first."""
        with _unavailable(), self._redis.pipeline(transaction=False) as pipe:
            for job_id in job_ids:
                pipe.lrange(REFUSALS + job_id, 0, -1)
            return [tuple(_refusal(line) for line in reversed(lines)) for lines in pipe.execute()]

    # Work.

    def most_urgent(self) -> str | None:
        """The id of the job whose work has to be done first, or None when nothing waits."""
        with _unavailable():
            found = self._redis.zrange(WAITING, 0, 0)
        return found[0].decode() if found else None

    def due(self, limit: int) -> Due:
        """What must be looked at now, oldest first; its cost follows the number due."""
        with _unavailable():
            clock, ids, unhinted, next_at = self._due_script(
                keys=[DUE, WAITING, self._hints.queue_key], args=[limit]
            )
        return Due(
            now=self._heard(clock),
            ids=tuple(job_id.decode() for job_id in ids),
            unhinted=tuple(job_id.decode() for job_id in unhinted),
            next_at=float(next_at) if next_at else None,
        )

    def postpone(self, job_id: str, at: float) -> None:
        """Look at a job later whatever its record says: a broken one must not stop the sweep."""
        with _unavailable():
            self._redis.zadd(DUE, {job_id: at}, xx=True)

    def forget(self, job_id: str) -> None:
        """Delete a record and every trace of it."""
        indexes = [INDEX + state for state in State]
        with _unavailable(), self._redis.pipeline() as pipe:
            pipe.delete(RECORDS + job_id, REFUSALS + job_id)
            for key in (DUE, WAITING, *indexes):
                pipe.zrem(key, job_id)
            pipe.execute()

    def hint(self, job_ids: Iterable[str]) -> None:
        """Write entries for work that waits without one, as after RQ's keys were lost."""
        with _unavailable(), self._redis.pipeline() as pipe:
            for entry in map(self._hints.entry, job_ids):
                pipe.hset(entry.key, mapping=dict(entry.fields))
                pipe.expire(entry.key, ENTRY_TTL_SECONDS)
                pipe.sadd(self._hints.queues_key, self._hints.queue_key)
                pipe.rpush(self._hints.queue_key, entry.id)
            pipe.execute()

    # Lists.

    def page(
        self, states: Iterable[State], limit: int, before: tuple[float, str] | None
    ) -> list[Job]:
        """Up to `limit` jobs in these states, newest first, older than the position `before`."""
        top = "+inf" if before is None else before[0]
        with _unavailable():
            found = self._positions(states, top, limit, before)
            raw = self._redis.mget([RECORDS + job_id for _, job_id in found]) if found else []
        return [records.decode(record) for record in raw if record]

    def _positions(
        self,
        states: Iterable[State],
        top: float | str,
        limit: int,
        before: tuple[float, str] | None,
    ) -> list[tuple[float, str]]:
        """Creation time and id; the states' indexes are read in one transaction and merged."""
        ties = 0
        while True:
            with self._redis.pipeline() as pipe:
                for state in states:
                    pipe.zrevrangebyscore(
                        INDEX + state, top, "-inf", 0, limit + ties, withscores=True
                    )
                answers = pipe.execute()
            merged = sorted(
                ((score, job_id.decode()) for rows in answers for job_id, score in rows),
                reverse=True,
            )
            found = [row for row in merged if before is None or row < before]
            cut_short = any(len(rows) == limit + ties for rows in answers)
            # Jobs created in the very same microsecond share a score and may fill the page.
            if len(found) >= limit or not cut_short:
                return found[:limit]
            ties += limit

    # Health.

    def count(self, counts: Mapping[str, int]) -> None:
        """Raise counters."""
        with _unavailable(), self._redis.pipeline() as pipe:
            for name, increment in counts.items():
                pipe.hincrby(COUNTS, name, increment)
            pipe.execute()

    def tally(self) -> Tally:
        """Every counter, the number of jobs by state, and how much work is due and waiting."""
        with _unavailable(), self._redis.pipeline() as pipe:
            pipe.hgetall(COUNTS)
            for state in State:
                pipe.zcard(INDEX + state)
            pipe.zcount(DUE, "-inf", self.now())
            pipe.zcard(WAITING)
            counts, *jobs, overdue, waiting = pipe.execute()
        return Tally(
            counts={name.decode(): int(value) for name, value in counts.items()},
            jobs=dict(zip(State, jobs, strict=True)),
            due=overdue,
            waiting=waiting,
        )

    def beat(self, process: str, at: float | None = None) -> None:
        """Leave a sign of life of a kind of process."""
        with _unavailable():
            self._redis.hset(SEEN, process, str(at or self.now()))

    def seen(self) -> dict[str, float]:
        """Seconds since the last sign of life, by kind of process."""
        with _unavailable():
            beats = self._redis.hgetall(SEEN)
            now = self._heard(self._redis.time())
        return {name.decode(): now - float(at) for name, at in beats.items()}

    def ping(self) -> None:
        with _unavailable():
            self._redis.ping()


def _refusal(line: bytes) -> Moment:
    at, _, reason = line.decode().partition(" ")
    return Moment(float(at), "callback refused", {"reason": reason})


@contextmanager
def _unavailable() -> Iterator[None]:
    """The message of a RedisError names the host, so it goes no further."""
    try:
        yield
    except RedisError as error:
        raise StoreUnavailable(f"Redis: {type(error).__name__}") from None
