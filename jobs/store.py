"""The records in Redis: every change to a job is one compare-and-set, its follow-up included."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any, NamedTuple

from redis import Redis

from jobs import records, scripts
from jobs.clock import Clock, unavailable
from jobs.errors import NoSlot, StoreUnavailable
from jobs.job import Job
from jobs.keys import (
    ACTIVE,
    COUNTS,
    DUE,
    FORGOTTEN,
    INDEX,
    INPUTS,
    LINE,
    LINES,
    NOTICES,
    RECORDS,
    REFUSALS,
    SENDING,
    TASKS,
    WAITING,
)
from jobs.limits import Limits
from jobs.places import active
from jobs.plan import Plan, other_names
from jobs.queues import ENTRY_TTL_SECONDS, Hints
from jobs.states import State

RACES_MAX = 100
FORGOTTEN_SECONDS = 8 * 86400  # as long as BFL could still call about it
NO_COUNTS: Mapping[str, int] = MappingProxyType({})

_WON, _FULL = 1, 2

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
    entries: int  # that RQ has already
    next_at: float | None


class Store:
    """The records. Every method raises StoreUnavailable while Redis does not answer."""

    def __init__(
        self, redis: Redis, hints: Hints, clock: Clock, limits: Limits | None = None
    ) -> None:
        self._redis: Any = redis  # its answers are typed for every setting; here they are bytes
        self._hints = hints
        self._clock = clock
        self._limits = limits or Limits()
        self._commit_script = redis.register_script(scripts.COMMIT)
        self._load_script = redis.register_script(scripts.LOAD)
        self._due_script = redis.register_script(scripts.DUE)

    def now(self) -> float:
        """Unix seconds of the Redis clock."""
        return self._clock.now()

    # One job.

    def load(self, job_id: str) -> Job | None:
        """The job with this id, its own or its task's, or None. Raises BrokenRecord too."""
        with unavailable():
            clock, record = self._load_script(
                keys=[RECORDS + job_id, TASKS + job_id], args=[RECORDS]
            )
        self._clock.heard(clock)
        return records.decode(record) if record else None

    def change(
        self,
        job_id: str,
        step: Step,
        *,
        counts: Mapping[str, int] = NO_COUNTS,
        new: bool = False,
        submission: bytes | None = None,
    ) -> Change:
        """Apply a pure step to a job until nobody wrote in between.

        A step that returns its own argument writes nothing. With `new` the first try assumes
        that there is no record yet, which saves the read when that is so. `submission` is kept
        beside the record until BFL has it. Raises NoSlot when the step wants a slot and all of
        them are taken.
        """
        before = None if new else self.load(job_id)
        for _ in range(RACES_MAX):
            now = self.now()
            after = step(before, now)
            if after is before or after is None:
                return Change(before, before)
            won, current = self._commit(Plan(before, after, counts, submission), now)
            if won:
                return Change(before, replace(after, version=after.version + 1))
            # Somebody else wrote first (their record is the truth to start from), or our clock
            # was wrong (it is right now).
            before = current
        raise StoreUnavailable("a record changes faster than it can be written")

    def _commit(self, plan: Plan, now: float) -> tuple[bool, Job | None]:
        arguments = plan.arguments(now, self._limits, self._hints)
        with unavailable():
            clock, outcome, current = self._commit_script(
                keys=[RECORDS + plan.after.id, LINES], args=arguments
            )
        self._clock.heard(clock)
        if outcome == _FULL:
            raise NoSlot
        return outcome == _WON, records.decode(current) if current else None

    def submission(self, job_id: str) -> bytes | None:
        """What is to be submitted for a job, as long as BFL does not have it."""
        with unavailable():
            found: bytes | None = self._redis.get(INPUTS + job_id)
        return found

    # Work.

    def most_urgent(self) -> str | None:
        """The id of the job whose work has to be done first, or None when nothing waits."""
        with unavailable():
            found = self._redis.zrange(WAITING, 0, 0)
        return found[0].decode() if found else None

    def due(self, limit: int) -> Due:
        """What must be looked at now, oldest first; its cost follows the number due."""
        with unavailable():
            clock, ids, unhinted, next_at, entries = self._due_script(
                keys=[DUE, WAITING, self._hints.queue_key], args=[limit]
            )
        return Due(
            now=self._clock.heard(clock),
            ids=tuple(job_id.decode() for job_id in ids),
            unhinted=tuple(job_id.decode() for job_id in unhinted),
            next_at=float(next_at) if next_at else None,
            entries=entries,
        )

    def to_tell(self, limit: int) -> tuple[str, ...]:
        """Whose submitter must be told now, the one that waits longest first."""
        with unavailable():
            found = self._redis.zrangebyscore(NOTICES, "-inf", self.now(), 0, limit)
        return tuple(job_id.decode() for job_id in found)

    def settle_notice(self, job_id: str, at: float | None) -> None:
        """Put a place among the notices right by what the record says."""
        with unavailable():
            if at is None:
                self._redis.zrem(NOTICES, job_id)
            else:
                self._redis.zadd(NOTICES, {job_id: at})

    def put_off(self, job_id: str, seconds: float) -> None:
        """Look at a job later whatever its record says: a broken one must not stop the others."""
        with unavailable(), self._redis.pipeline() as pipe:
            pipe.zadd(DUE, {job_id: self.now() + seconds}, xx=True)
            pipe.zrem(WAITING, job_id)
            pipe.execute()

    def drop_due(self, job_id: str) -> None:
        """Nobody needs to look after an id that has no record."""
        with unavailable(), self._redis.pipeline() as pipe:
            pipe.zrem(DUE, job_id)
            pipe.zrem(WAITING, job_id)
            pipe.execute()

    def forget(self, job: Job) -> None:
        """Delete a record and every trace of it."""
        # Its places may have changed since it was read: all it can have are cleared.
        keys = {DUE, WAITING, NOTICES, ACTIVE, SENDING, *(INDEX + state for state in State)}
        keys |= {f"{LINE}{job.model}", active(job.model or "")}
        with unavailable(), self._redis.pipeline() as pipe:
            pipe.delete(RECORDS + job.id, REFUSALS + job.id, INPUTS + job.id)
            for name in other_names(job):
                pipe.delete(TASKS + name)
            for key in keys:
                pipe.zrem(key, job.id)
            if job.ours and not job.state.terminal:
                pipe.set(FORGOTTEN + job.id, "", ex=FORGOTTEN_SECONDS)
            pipe.execute()

    def is_forgotten(self, job_id: str) -> bool:
        """Whether a job was forgotten while BFL had it; its callback would make it anew."""
        with unavailable():
            return bool(self._redis.exists(FORGOTTEN + job_id))

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
