"""The records in Redis: every change to a job is one compare-and-set, its follow-up included."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any

from jobs import notifications
from jobs.config.concurrency import Limits, Room
from jobs.errors import NoFreeSlot, QueueFull, StoreUnavailable, UnknownJob
from jobs.job import Job
from jobs.store import announcements, codec, commit, scripts
from jobs.store.batching import Batching
from jobs.store.clock import Clock, unavailable
from jobs.store.commit import Command, Commit
from jobs.store.keys import (
    BARRIER,
    COUNTS,
    DRAWINGS,
    DUE,
    FORGOTTEN,
    INPUTS,
    LEFT,
    LINES,
    NOTICES,
    POLLS,
    RECORDS,
    SIZES,
    TASKS,
    WAITING,
)
from jobs.store.results import NO_COUNTS, Change, CommitOptions, Due, Urgent
from jobs.store.rq_entries import RqEntries

RACES_MAX = 100
SUBMISSION_TRIES = 3  # a new one races with nobody: then Redis is too slow for its input

_WON, _FULL, _NO_ROOM, _FORGOTTEN = 1, 2, 3, 4

Step = Callable[[Job | None, float], Job | None]


class Store:
    """The records. Every method raises StoreUnavailable while Redis does not answer."""

    def __init__(
        self,
        batching: Batching,
        rq_entries: RqEntries,
        clock: Clock,
        limits: Limits | None = None,
        room: Room | None = None,
        *,
        tells_owner: bool = False,
    ) -> None:
        self._redis: Any = (
            batching.redis
        )  # its answers are typed for every setting; here they are bytes
        self._hints = rq_entries
        self._clock = clock
        self._limits = limits or Limits()
        self._tells_owner = tells_owner
        self._room = room or Room()
        self._batching = batching
        self._commit_script = self._redis.register_script(rq_entries.lua + scripts.COMMIT)
        self._hint_script = self._redis.register_script(rq_entries.lua + scripts.HINT)
        self._load_script = self._redis.register_script(scripts.LOAD)
        self._amend_script = self._redis.register_script(scripts.AMEND)
        self._due_script = self._redis.register_script(scripts.DUE)
        self._urgent_script = self._redis.register_script(scripts.URGENT)

    def now(self) -> float:
        """Unix seconds of the Redis clock."""
        return self._clock.now()

    # One job.

    def load(self, job_id: str, *, exactly: bool = False) -> Job | None:
        """The job with this id, its own or (unless `exactly`) its task's, or None.

        Raises BrokenRecord too.
        """
        names = [] if exactly else [TASKS + job_id]
        with unavailable():
            clock, record = self._batching.run(
                self._load_script, [RECORDS + job_id, *names], [RECORDS]
            )
        self._clock.synchronize(clock)
        return codec.decode(record) if record else None

    def change(
        self,
        job_id: str,
        step: Step,
        *,
        counts: Mapping[str, int] = NO_COUNTS,
        new: bool = False,
        submission: bytes | None = None,
        unless_forgotten: bool = False,
    ) -> Change:
        """Apply a pure step to a job until nobody wrote in between.

        A step that returns its own argument writes nothing. With `new` the first try assumes
        that there is no record yet, which saves the read when that is so. `submission` is kept
        beside the record until BFL has it. Raises NoSlot when the step wants a slot and all of
        them are taken, LineFull when too much waits to take in another submission, UnknownJob
        when it would make anew (`unless_forgotten`) what was forgotten.
        """
        before = None if new else self.load(job_id)
        further = CommitOptions(counts, submission, unless_forgotten)
        return self._change(before, step, further)

    def change_from(
        self,
        known: Job | None,
        step: Step,
        counts: Mapping[str, int] = NO_COUNTS,
        *,
        takes_rq_job: bool = False,
    ) -> Change:
        """The same to a job that is most probably still as it is known.

        With `takes_rq_job` one RQ job leaves the queue: the work that it stands for is claimed.
        """
        return self._change(known, step, CommitOptions(counts, takes_rq_job=takes_rq_job))

    def _change(self, before: Job | None, step: Step, further: CommitOptions) -> Change:
        for _ in range(RACES_MAX if further.submission is None else SUBMISSION_TRIES):
            now = self.now()
            after = step(before, now)
            if after is before or after is None:
                self._confirm(before)
                return Change(before, before)
            after = notifications.schedule(before, after, now, owner=self._tells_owner)
            # By the clock, so that no other history of it that Redis has lost had the same.
            version = max(after.version + 1, int(now * 1e6))
            planned = Commit(before, replace(after, version=version), *further)
            won, current = self._commit(planned, now)
            if won:
                return Change(before, planned.after)
            # Somebody else wrote first (their record is the truth to start from), or our clock
            # was wrong (it is right now), or this came too late for who waits for it.
            before = current
        raise StoreUnavailable("a record changes faster than it can be written")

    def _commit(self, planned: Commit, now: float) -> tuple[bool, Job | None]:
        arguments = planned.arguments(now, self._limits, self._room, self._hints)
        with unavailable():
            clock, outcome, current = self._batching.commits.run(
                self._commit_script,
                [RECORDS + planned.after.id, LINES, SIZES, *planned.tombstones],
                arguments,
            )
        self._clock.synchronize(clock)
        if outcome == _FULL:
            raise NoFreeSlot
        if outcome == _NO_ROOM:
            raise QueueFull
        if outcome == _FORGOTTEN:
            raise UnknownJob
        return outcome == _WON, codec.decode(current) if current else None

    def _confirm(self, job: Job | None) -> None:
        """Make sure that what was found on record is durable, before a caller hears that it is.

        The write may be that of a request which was answered with 503 for want of durability.
        """
        if self._batching.commits.is_queued and job:
            keys, args = [RECORDS + job.id], [job.version, *commit.flat([("SET", BARRIER, "")])]
            with unavailable():
                is_there = self._batching.commits.run(self._amend_script, keys, args)
            if not is_there:
                raise StoreUnavailable("a record changed while it was confirmed")

    def submission(self, job_id: str) -> bytes | None:
        """What is to be submitted for a job, as long as BFL does not have it."""
        with unavailable():
            found: bytes | None = self._redis.get(INPUTS + job_id)
        return found

    # Work.

    def most_urgent(self) -> str | None:
        """The id of the job whose work has to be done first, or None when nothing waits."""
        return next(iter(self.rescues(1).ids or self.polls(1).ids), None)

    def rescues(self, limit: int) -> Urgent:
        """The jobs whose media wait for a worker, the URL that expires first."""
        return self._waiting(WAITING, limit)

    def polls(self, limit: int) -> Urgent:
        """The jobs that BFL must be asked about, the most urgent first."""
        return self._waiting(POLLS, limit)

    def _waiting(self, key: str, limit: int) -> Urgent:
        with unavailable():
            clock, ids, record = self._batching.run(self._urgent_script, [key], [RECORDS, limit])
        self._clock.synchronize(clock)
        return Urgent(tuple(job_id.decode() for job_id in ids), record)

    def due(self, limit: int) -> Due:
        """What must be looked at now, oldest first; its cost follows the number due."""
        with unavailable():
            clock, ids, unhinted, next_at, entries = self._due_script(
                keys=[DUE, WAITING, POLLS, self._hints.queue_key, DRAWINGS], args=[limit]
            )
        return Due(
            now=self._clock.synchronize(clock),
            ids=tuple(job_id.decode() for job_id in ids),
            unhinted=tuple(job_id.decode() for job_id in unhinted),
            next_at=float(next_at) if next_at else None,
            entries=entries,
        )

    def due_notifications(self, limit: int) -> tuple[str, ...]:
        """The jobs whose end somebody must be told now, the one that waits longest first."""
        with unavailable():
            found = self._redis.zrangebyscore(NOTICES, "-inf", self.now(), 0, limit)
        return tuple(job_id.decode() for job_id in found)

    def schedule_notification(self, job_id: str, at: float | None) -> None:
        """Set or (None) take away a job's place among the notices, whatever its record says."""
        self._settle(NOTICES, job_id, at)

    def due_thumbnails(self) -> str | None:
        """Whose thumbnails should be drawn now, the one that waits longest."""
        with unavailable():
            found = self._redis.zrangebyscore(DRAWINGS, "-inf", self.now(), 0, 1)
        return found[0].decode() if found else None

    def schedule_thumbnails(self, job_id: str, at: float | None) -> None:
        """The same among the drawings."""
        self._settle(DRAWINGS, job_id, at)

    def _settle(self, key: str, job_id: str, at: float | None) -> None:
        with unavailable():
            if at is None:
                self._redis.zrem(key, job_id)
            else:
                self._redis.zadd(key, {job_id: at})

    def postpone(self, job_id: str, seconds: float) -> None:
        """Look at a job later whatever its record says: a broken one must not stop the others."""
        with unavailable(), self._redis.pipeline() as pipe:
            pipe.zadd(DUE, {job_id: self.now() + seconds}, xx=True)
            pipe.zrem(WAITING, job_id)
            pipe.zrem(POLLS, job_id)
            pipe.execute()

    def remove_due(self, job_id: str) -> None:
        """Nobody needs to look after an id that has no record."""
        with unavailable(), self._redis.pipeline() as pipe:
            pipe.zrem(DUE, job_id)
            pipe.zrem(WAITING, job_id)
            pipe.zrem(POLLS, job_id)
            pipe.execute()

    def forget(self, job: Job) -> None:
        """Delete a record and every trace of it, whatever became of it meanwhile."""
        self._forget(job, "any", [*commit.record_keys(job), *commit.tombstones(job)])

    def retire(self, job: Job, left: Iterable[str] = ()) -> bool:
        """The same unless the record has changed; `left` are objects that stay for a while."""
        stays = [("ZADD", LEFT, job.end, key) for key in left]
        return self._forget(job, job.version, [*commit.record_keys(job), *stays])

    def _forget(self, job: Job, version: int | str, commands: list[Command]) -> bool:
        with unavailable():
            told = announcements.deletion_announcement(job.id)
            keys, args = [RECORDS + job.id], [version, *commit.flat([*commands, told])]
            return bool(self._amend_script(keys=keys, args=args))

    def is_deleted(self, job_id: str) -> bool:
        """Whether a job is gone because somebody wanted it, and not because Redis was lost."""
        with unavailable():
            return bool(self._redis.exists(FORGOTTEN + job_id))

    def hint(self, job_ids: Iterable[str]) -> None:
        """Write entries for work that waits without one, as after RQ's keys were lost."""
        entries = [part for job_id in job_ids for part in self._hints.entry(job_id)]
        if entries:
            with unavailable():
                self._hint_script(args=entries)

    def count(self, counts: Mapping[str, int]) -> None:
        """Raise counters."""
        with unavailable(), self._redis.pipeline() as pipe:
            for name, increment in counts.items():
                pipe.hincrby(COUNTS, name, increment)
            pipe.execute()
