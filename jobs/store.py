"""The records in Redis: every change to a job is one compare-and-set, its follow-up included."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any, NamedTuple

from redis import Redis

from jobs import records, scripts
from jobs.clock import Clock, unavailable
from jobs.errors import StoreUnavailable
from jobs.job import Job
from jobs.keys import COUNTS, DUE, INDEX, RECORDS, REFUSALS, WAITING
from jobs.queues import ENTRY_TTL_SECONDS, Entry, Hints
from jobs.states import State

RACES_MAX = 100
NO_COUNTS: Mapping[str, int] = MappingProxyType({})

Step = Callable[[Job | None, float], Job | None]


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

    def __init__(self, redis: Redis, hints: Hints, clock: Clock) -> None:
        self._redis: Any = redis  # its answers are typed for every setting; here they are bytes
        self._hints = hints
        self._clock = clock
        self._commit_script = redis.register_script(scripts.COMMIT)
        self._load_script = redis.register_script(scripts.LOAD)
        self._due_script = redis.register_script(scripts.DUE)

    def now(self) -> float:
        """Unix seconds of the Redis clock."""
        return self._clock.now()

    # One job.

    def load(self, job_id: str) -> Job | None:
        """The job with this id, or None. Raises BrokenRecord too."""
        with unavailable():
            clock, record = self._load_script(keys=[RECORDS + job_id])
        self._clock.heard(clock)
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
            now = self.now()
            after = step(before, now)
            if after is before or after is None:
                return Change(before, before)
            won, current = self._commit(before, after, counts, now)
            if won:
                return Change(before, replace(after, version=after.version + 1))
            # Somebody else wrote first (their record is the truth to start from), or our clock
            # was wrong (it is right now).
            before = current
        raise StoreUnavailable("a record changes faster than it can be written")

    def _commit(
        self, before: Job | None, after: Job, counts: Mapping[str, int], now: float
    ) -> tuple[bool, Job | None]:
        entry = self._entry(before, after)
        args = [
            before.version if before else 0,
            records.encode(after, after.version + 1),
            after.id,
            after.created_at,
            "" if after.look_at is None else after.look_at,
            "" if after.wanted is None else after.wanted,
            ENTRY_TTL_SECONDS,
            len(counts),
            *(part for pair in counts.items() for part in pair),
            entry.id if entry else "",
            *(entry.flat if entry else ()),
            now,
        ]
        with unavailable():
            clock, won, current = self._commit_script(
                keys=self._keys(before, after, entry), args=args
            )
        self._clock.heard(clock)
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

    # Work.

    def most_urgent(self) -> str | None:
        """The id of the job whose work has to be done first, or None when nothing waits."""
        with unavailable():
            found = self._redis.zrange(WAITING, 0, 0)
        return found[0].decode() if found else None

    def due(self, limit: int) -> Due:
        """What must be looked at now, oldest first; its cost follows the number due."""
        with unavailable():
            clock, ids, unhinted, next_at = self._due_script(
                keys=[DUE, WAITING, self._hints.queue_key], args=[limit]
            )
        return Due(
            now=self._clock.heard(clock),
            ids=tuple(job_id.decode() for job_id in ids),
            unhinted=tuple(job_id.decode() for job_id in unhinted),
            next_at=float(next_at) if next_at else None,
        )

    def put_off(self, job_id: str, seconds: float) -> None:
        """Look at a job later whatever its record says: a broken one must not stop the others."""
        with unavailable(), self._redis.pipeline() as pipe:
            pipe.zadd(DUE, {job_id: self.now() + seconds}, xx=True)
            pipe.zrem(WAITING, job_id)
            pipe.execute()

    def forget(self, job_id: str) -> None:
        """Delete a record and every trace of it."""
        indexes = [INDEX + state for state in State]
        with unavailable(), self._redis.pipeline() as pipe:
            pipe.delete(RECORDS + job_id, REFUSALS + job_id)
            for key in (DUE, WAITING, *indexes):
                pipe.zrem(key, job_id)
            pipe.execute()

    def hint(self, job_ids: Iterable[str]) -> None:
        """Write entries for work that waits without one, as after RQ's keys were lost."""
        with unavailable(), self._redis.pipeline() as pipe:
            for entry in map(self._hints.entry, job_ids):
                pipe.hset(entry.key, mapping=dict(entry.fields))
                pipe.expire(entry.key, ENTRY_TTL_SECONDS)
                pipe.sadd(self._hints.queues_key, self._hints.queue_key)
                pipe.rpush(self._hints.queue_key, entry.id)
            pipe.execute()

    def count(self, counts: Mapping[str, int]) -> None:
        """Raise counters."""
        with unavailable(), self._redis.pipeline() as pipe:
            for name, increment in counts.items():
                pipe.hincrby(COUNTS, name, increment)
            pipe.execute()
