"""The records in Redis: every change to a job is one compare-and-set, its follow-up included."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any

from jobs import notifications
from jobs.config.concurrency import ConcurrencyLimits, QueueCapacity
from jobs.errors import NoFreeSlot, QueueFull, StoreUnavailable, UnknownJob
from jobs.job import Job
from jobs.store import announcements, codec, commit, scripts
from jobs.store.batching import Batching
from jobs.store.clock import Clock, unavailable
from jobs.store.commit import Command, Commit
from jobs.store.keys import (
    BARRIER,
    COUNTERS,
    DUE,
    INPUT_PREFIX,
    INPUT_SIZES,
    NOTIFICATIONS,
    ORPHANS,
    PENDING_POLLS,
    PENDING_RESCUES,
    QUEUES,
    RECORD_PREFIX,
    TASK_PREFIX,
    THUMBNAILS,
    TOMBSTONE_PREFIX,
)
from jobs.store.results import NO_COUNTS, Change, CommitOptions, Due, PendingWork
from jobs.store.rq_queue import RqQueue

RACES_MAX = 100
SUBMISSION_TRIES = 3  # a new one races with nobody: then Redis is too slow for its input

_WON, _FULL, _NO_ROOM, _FORGOTTEN = 1, 2, 3, 4

Step = Callable[[Job | None, float], Job | None]


class JobStore:
    """The records. Every method raises StoreUnavailable while Redis does not answer."""

    def __init__(
        self,
        batching: Batching,
        rq_queue: RqQueue,
        clock: Clock,
        limits: ConcurrencyLimits | None = None,
        room: QueueCapacity | None = None,
        *,
        notifies_owner: bool = False,
    ) -> None:
        self._redis: Any = (
            batching.redis
        )  # its answers are typed for every setting; here they are bytes
        self._rq_queue = rq_queue
        self._clock = clock
        self._limits = limits or ConcurrencyLimits()
        self._tells_owner = notifies_owner
        self._room = room or QueueCapacity()
        self._batching = batching
        self._commit_script = self._redis.register_script(rq_queue.lua + scripts.COMMIT)
        self._hint_script = self._redis.register_script(rq_queue.lua + scripts.HINT)
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
        names = [] if exactly else [TASK_PREFIX + job_id]
        with unavailable():
            clock, record = self._batching.run(
                self._load_script, [RECORD_PREFIX + job_id, *names], [RECORD_PREFIX]
            )
        self._clock.synchronize(clock)
        return codec.decode(record) if record else None

    def update(
        self,
        job_id: str,
        step: Step,
        *,
        counts: Mapping[str, int] = NO_COUNTS,
        new: bool = False,
        submission: bytes | None = None,
        unless_deleted: bool = False,
    ) -> Change:
        """Apply a pure step to a job until nobody wrote in between.

        A step that returns its own argument writes nothing. With `new` the first try assumes
        that there is no record yet, which saves the read when that is so. `submission` is kept
        beside the record until BFL has it. Raises NoSlot when the step wants a slot and all of
        them are taken, LineFull when too much waits to take in another submission, UnknownJob
        when it would make anew (`unless_deleted`) what was forgotten.
        """
        before = None if new else self.load(job_id)
        further = CommitOptions(counts, submission, unless_deleted)
        return self._update(before, step, further)

    def update_from(
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
        return self._update(known, step, CommitOptions(counts, takes_rq_job=takes_rq_job))

    def _update(self, before: Job | None, step: Step, further: CommitOptions) -> Change:
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
        arguments = planned.arguments(now, self._limits, self._room, self._rq_queue)
        with unavailable():
            clock, outcome, current = self._batching.commits.run(
                self._commit_script,
                [RECORD_PREFIX + planned.after.id, QUEUES, INPUT_SIZES, *planned.tombstones],
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
            keys, args = (
                [RECORD_PREFIX + job.id],
                [job.version, *commit.flat([("SET", BARRIER, "")])],
            )
            with unavailable():
                is_there = self._batching.commits.run(self._amend_script, keys, args)
            if not is_there:
                raise StoreUnavailable("a record changed while it was confirmed")

    def submission(self, job_id: str) -> bytes | None:
        """What is to be submitted for a job, as long as BFL does not have it."""
        with unavailable():
            found: bytes | None = self._redis.get(INPUT_PREFIX + job_id)
        return found

    # Work.

    def most_urgent(self) -> str | None:
        """The id of the job whose work has to be done first, or None when nothing waits."""
        return next(iter(self.pending_rescues(1).ids or self.pending_polls(1).ids), None)

    def pending_rescues(self, limit: int) -> PendingWork:
        """The jobs whose media wait for a worker, the URL that expires first."""
        return self._waiting(PENDING_RESCUES, limit)

    def pending_polls(self, limit: int) -> PendingWork:
        """The jobs that BFL must be asked about, the most urgent first."""
        return self._waiting(PENDING_POLLS, limit)

    def _waiting(self, key: str, limit: int) -> PendingWork:
        with unavailable():
            clock, ids, record = self._batching.run(
                self._urgent_script, [key], [RECORD_PREFIX, limit]
            )
        self._clock.synchronize(clock)
        return PendingWork(tuple(job_id.decode() for job_id in ids), record)

    def due(self, limit: int) -> Due:
        """What must be looked at now, oldest first; its cost follows the number due."""
        with unavailable():
            clock, ids, without_rq_job, next_at, rq_jobs = self._due_script(
                keys=[DUE, PENDING_RESCUES, PENDING_POLLS, self._rq_queue.queue_key, THUMBNAILS],
                args=[limit],
            )
        return Due(
            now=self._clock.synchronize(clock),
            ids=tuple(job_id.decode() for job_id in ids),
            without_rq_job=tuple(job_id.decode() for job_id in without_rq_job),
            next_at=float(next_at) if next_at else None,
            rq_jobs=rq_jobs,
        )

    def due_notifications(self, limit: int) -> tuple[str, ...]:
        """The jobs whose end somebody must be told now, the one that waits longest first."""
        with unavailable():
            found = self._redis.zrangebyscore(NOTIFICATIONS, "-inf", self.now(), 0, limit)
        return tuple(job_id.decode() for job_id in found)

    def schedule_notification(self, job_id: str, at: float | None) -> None:
        """Set or (None) take away a job's place among the notices, whatever its record says."""
        self._settle(NOTIFICATIONS, job_id, at)

    def due_thumbnails(self) -> str | None:
        """Whose thumbnails should be drawn now, the one that waits longest."""
        with unavailable():
            found = self._redis.zrangebyscore(THUMBNAILS, "-inf", self.now(), 0, 1)
        return found[0].decode() if found else None

    def schedule_thumbnails(self, job_id: str, at: float | None) -> None:
        """The same among the drawings."""
        self._settle(THUMBNAILS, job_id, at)

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
            pipe.zrem(PENDING_RESCUES, job_id)
            pipe.zrem(PENDING_POLLS, job_id)
            pipe.execute()

    def remove_due(self, job_id: str) -> None:
        """Nobody needs to look after an id that has no record."""
        with unavailable(), self._redis.pipeline() as pipe:
            pipe.zrem(DUE, job_id)
            pipe.zrem(PENDING_RESCUES, job_id)
            pipe.zrem(PENDING_POLLS, job_id)
            pipe.execute()

    def delete(self, job: Job) -> None:
        """Delete a record and every trace of it, whatever became of it meanwhile."""
        self._forget(job, "any", [*commit.record_keys(job), *commit.tombstones(job)])

    def delete_unchanged(self, job: Job, left: Iterable[str] = ()) -> bool:
        """The same unless the record has changed; `left` are objects that stay for a while."""
        stays = [("ZADD", ORPHANS, job.end, key) for key in left]
        return self._forget(job, job.version, [*commit.record_keys(job), *stays])

    def _forget(self, job: Job, version: int | str, commands: list[Command]) -> bool:
        with unavailable():
            told = announcements.deletion_event(job.id)
            keys, args = [RECORD_PREFIX + job.id], [version, *commit.flat([*commands, told])]
            return bool(self._amend_script(keys=keys, args=args))

    def is_deleted(self, job_id: str) -> bool:
        """Whether a job is gone because somebody wanted it, and not because Redis was lost."""
        with unavailable():
            return bool(self._redis.exists(TOMBSTONE_PREFIX + job_id))

    def enqueue(self, job_ids: Iterable[str]) -> None:
        """Write entries for work that waits without one, as after RQ's keys were lost."""
        entries = [part for job_id in job_ids for part in self._rq_queue.entry(job_id)]
        if entries:
            with unavailable():
                self._hint_script(args=entries)

    def increment(self, counts: Mapping[str, int]) -> None:
        """Raise counters."""
        with unavailable(), self._redis.pipeline() as pipe:
            for name, increment in counts.items():
                pipe.hincrby(COUNTERS, name, increment)
            pipe.execute()
