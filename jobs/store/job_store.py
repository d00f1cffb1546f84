"""Job records in Redis: every change is one compare-and-set, its follow-up work included (I2)."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple, cast

from redis.commands.core import Script

from jobs.config.quotas import ConcurrencyLimits, QueueCapacity
from jobs.domain import errors, notifications
from jobs.domain.job import Job
from jobs.store import change_stream, codec, commit, deletion, late_objects, rq_queue
from jobs.store.budgets import Budgets
from jobs.store.commit import After, Change, Commit, CommitOptions, CommitOutcome, Followers
from jobs.store.redis import keys, scripts
from jobs.store.redis.clock import Clock
from jobs.store.redis.script_pipeline import ScriptPipeline
from jobs.store.redis.scripts import Command

RACES_MAX = 100
SUBMISSION_TRIES = 3  # there are no races for a new job: Redis is too slow

_ERRORS = {
    CommitOutcome.NO_FREE_SLOT: errors.NoFreeSlot,
    CommitOutcome.QUEUE_FULL: errors.QueueFull,
    CommitOutcome.DELETED: errors.UnknownJob,
    CommitOutcome.UNKNOWN: errors.UnknownToRedis,
}
Step = Callable[[Job | None, float], After]


class PendingWork(NamedTuple):
    """Ids of jobs that wait for a worker, most urgent first, and the record of the first."""

    ids: tuple[str, ...]
    record: bytes | None


class Due(NamedTuple):
    """Jobs to check now, and pending jobs for which RQ has no job."""

    now: float
    ids: tuple[str, ...]
    without_rq_job: tuple[str, ...]
    rq_jobs: int  # length of RQ's queue
    next_at: float | None


class JobStore:
    """The job records. Every method raises StoreUnavailable while Redis does not answer."""

    def __init__(
        self,
        pipeline: ScriptPipeline,
        clock: Clock,
        limits: ConcurrencyLimits,
        room: QueueCapacity,
        followers: Followers = commit.NO_FOLLOWERS,
    ) -> None:
        self._redis = pipeline.client
        self._clock = clock
        self._limits = limits
        self._room = room
        self.budgets = Budgets(self._redis, clock, room.budgets)
        self.followers = followers
        self._pipeline = pipeline
        register = self._redis.register_script
        self._commit_script = register(rq_queue.script("commit"))
        self._enqueue_script = register(rq_queue.script("enqueue_missing"))
        self._load_script = register(scripts.read("load_job"))
        self._run_if_unchanged_script = register(scripts.read("run_if_unchanged"))
        self._queue_full_script = register(scripts.read("is_submission_queue_full"))
        self._due_script = register(scripts.read("due_jobs"))
        self._pending_script = register(scripts.read("most_urgent"))

    def now(self) -> float:
        """Unix seconds of the Redis clock."""
        return self._clock.now()

    def load(self, job_id: str, *, exactly: bool = False) -> Job | None:
        """Load a job by its id or (unless `exactly`) its task id; None if there is none.

        Raises UnreadableRecord too.
        """
        names = [keys.RECORD_PREFIX + job_id]
        if not exactly:
            names.append(keys.TASK_PREFIX + job_id)
        (record,) = self._run(self._pipeline, self._load_script, names, [keys.RECORD_PREFIX])
        if not record:
            return None
        return codec.decode(record)

    def _run(
        self, pipeline: ScriptPipeline, script: Script, names: Sequence[str], args: Sequence[Any]
    ) -> list[Any]:
        """Run a script; the Redis time, with which its answer begins, sets the clock."""
        answer = list(pipeline.run(script, names, args))
        redis_time = answer.pop(0)
        self._clock.synchronize(redis_time)
        return answer

    def update(
        self,
        job_id: str,
        step: Step[After],
        options: CommitOptions = commit.NO_OPTIONS,
        *,
        assumes_new: bool = False,
    ) -> Change[After]:
        """Apply a pure step to a job and write the result, again when another writer was first.

        A step that returns its own argument writes nothing. With `assumes_new` the first try
        assumes that there is no record, which saves a read. Raises NoFreeSlot, OverBudget,
        QueueFull for a new submission when too many wait or Redis is too full, UnknownJob and
        UnknownToRedis when the options forbid to make the job, and Evicted when only the archive
        has it.
        """
        before = None
        if not assumes_new:
            before = self.load(job_id)
        return self.update_from(before, step, options)

    def change(
        self,
        job_id: str,
        step: Callable[[Job, float], Job],
        options: CommitOptions = commit.NO_OPTIONS,
    ) -> Change[Job | None]:
        """Update a job that exists; without a record nothing is written and both jobs are None."""

        def step_of_existing_job(job: Job | None, now: float) -> Job | None:
            if job is None:
                return None
            return step(job, now)

        return self.update(job_id, step_of_existing_job, options)

    def update_from(
        self, before: Job | None, step: Step[After], options: CommitOptions = commit.NO_OPTIONS
    ) -> Change[After]:
        """Update a job that was loaded a moment ago, without another read."""
        for tries in range(RACES_MAX):
            now = self.now()
            after = step(before, now)
            if after is before or after is None:  # I17: an old report is not written
                self._await_durability(before)
                return Change(before, cast(After, before))
            reserved = self.budgets.reserve(before, after, now)
            notifying = notifications.schedule(before, reserved, now, self.followers.owner)
            versioned = notifying.evolve(version=notifying.next_version(now))
            planned = Commit(before, versioned, options, self.followers.archive)
            written, current = self._commit(planned, now)
            if written:
                return Change(before, cast(After, planned.after))
            # Another writer was first and its record is the new start, or our clock was wrong.
            before = current
            if planned.is_new_submission and before is None and tries + 1 >= SUBMISSION_TRIES:
                break
        raise errors.StoreUnavailable("a record changes faster than it can be written")

    def _commit(self, planned: Commit, now: float) -> tuple[bool, Job | None]:
        arguments = planned.arguments(now, self._limits, self._room, self.budgets)
        outcome, current = self._run(
            self._pipeline.commits, self._commit_script, planned.keys(), arguments
        )
        if outcome == CommitOutcome.WRITTEN:
            return True, None
        if outcome == CommitOutcome.EVICTED:
            status = current
            raise errors.Evicted(status.decode())
        if outcome != CommitOutcome.CONFLICT:
            raise self._refusal(outcome, planned)
        return False, codec.decode(current) if current else None

    def _refusal(self, outcome: int, planned: Commit) -> Exception:
        """The error for a commit that the script refused."""
        if outcome == CommitOutcome.OVER_BUDGET:
            return self.budgets.refusal(planned.after)
        if outcome == CommitOutcome.NO_FREE_SLOT and planned.is_new_submission:
            return errors.QueueFull("Too many jobs of this key wait for its budget.")
        return _ERRORS[CommitOutcome(outcome)]()

    def require_room(self) -> None:
        """Raises QueueFull where a new submission would: before its objects are stored."""
        arguments = [self._room.submissions, self._room.memory_share]
        if self._queue_full_script(keys=[commit.WAITING], args=arguments):
            raise errors.QueueFull

    def _await_durability(self, job: Job | None) -> None:
        """Wait until the record of a job is durable, before the caller relies on it.

        A request that was answered with 503 for want of durability may have written it.
        """
        if job is None or not self._pipeline.commits.waits_for_durability:
            return
        if not self.run_if_unchanged(job.id, job.version, [("SET", keys.BARRIER, "")]):
            raise errors.StoreUnavailable("a record changed while it was confirmed")

    def run_if_unchanged(
        self, job_id: str, version: int | str, commands: Sequence[Command]
    ) -> bool:
        """Run commands if a record still has this version; 0 means that there is none."""
        names = [keys.RECORD_PREFIX + job_id]
        arguments = [version]
        arguments += scripts.flat(commands)
        script = self._run_if_unchanged_script
        return bool(self._pipeline.commits.run(script, names, arguments))

    def delete(self, job: Job, also: Sequence[Command] = ()) -> bool:
        """Delete a job in any state unless its record has changed, and leave a tombstone (I12).

        `also` are further commands for the script.
        """
        now = self.now()
        commands = deletion.tombstones(job)
        commands += deletion.deleted_input(job, now)
        commands += late_objects.note_of_deletion(job, now)
        commands += also
        return self._delete(job, commands)

    def delete_unchanged(self, job: Job, orphans: Iterable[str] = ()) -> bool:
        """Delete a job unless its record has changed; `orphans` are keys of objects that stay."""
        return self._delete(job, [("ZADD", keys.ORPHANS, job.end, key) for key in orphans])

    def _delete(self, job: Job, commands: Sequence[Command]) -> bool:
        all_commands = deletion.deletion(job)
        all_commands += commands
        all_commands.append(change_stream.deletion_event(job))
        if self.followers.archive:  # its row does not count from now on
            deleted_at = max(int(self.now() * 1e6), job.version)
            all_commands.append(("ZADD", keys.DELETIONS, deleted_at, job.id))
        return self.run_if_unchanged(job.id, job.version, all_commands)

    def tombstone(self, job_id: str) -> str | None:
        """Empty for a deleted job, the status of one that only the archive has, or None."""
        tombstone: bytes | None = self._redis.get(keys.TOMBSTONE_PREFIX + job_id)
        if tombstone is None:
            return None
        return tombstone.decode()

    def most_urgent(self) -> str | None:
        """The id of the job whose work comes first, or None when none is pending."""
        rescues = self.pending_rescues(1).ids
        if rescues:
            return rescues[0]
        polls = self.pending_polls(1).ids
        if polls:
            return polls[0]
        return None

    def pending_rescues(self, limit: int) -> PendingWork:
        """Jobs whose media are to be downloaded, by the expiry of their URLs."""
        return self._pending(keys.PENDING_RESCUES, limit)

    def pending_polls(self, limit: int) -> PendingWork:
        """Jobs that BFL is to be asked about, by their deadline."""
        return self._pending(keys.PENDING_POLLS, limit)

    def _pending(self, key: str, limit: int) -> PendingWork:
        ids, record = self._run(
            self._pipeline, self._pending_script, [key], [keys.RECORD_PREFIX, limit]
        )
        return PendingWork(_decoded(ids), record)

    def due(self, limit: int) -> Due:
        """Jobs to check now, oldest first; the cost follows the number due."""
        names = [
            keys.DUE,
            keys.PENDING_RESCUES,
            keys.PENDING_POLLS,
            rq_queue.QUEUE_KEY,
            keys.THUMBNAILS,
        ]
        answer = self._run(self._pipeline, self._due_script, names, [limit])
        due_ids, ids_without_rq_job, next_check_at, rq_jobs = answer
        return Due(
            now=self.now(),
            ids=_decoded(due_ids),
            without_rq_job=_decoded(ids_without_rq_job),
            rq_jobs=rq_jobs,
            next_at=float(next_check_at) if next_check_at else None,
        )

    def enqueue(self, job_ids: Iterable[str]) -> None:
        """Add RQ jobs for pending work that has none, for example after RQ's keys were lost."""
        arguments: list[str] = []
        for job_id in job_ids:
            arguments.append(job_id)
            arguments += rq_queue.arguments()
        if arguments:
            self._enqueue_script(args=arguments)

    def postpone(self, job_id: str, seconds: float) -> None:
        """Postpone the check of a job, also of an unreadable one, which must not block others."""
        self._redis.write_essential(
            ("ZADD", keys.DUE, "XX", self.now() + seconds, job_id),
            ("ZREM", keys.PENDING_RESCUES, job_id),
            ("ZREM", keys.PENDING_POLLS, job_id),
        )

    def remove_due(self, job_id: str) -> None:
        """Remove an id that has no record from all work."""
        sets = (keys.DUE, keys.PENDING_RESCUES, keys.PENDING_POLLS)
        self.run_if_unchanged(job_id, 0, scripts.remove_from_sets(job_id, sets))

    def remove_queued(
        self, job_id: str, queue: str, version: int | str = commit.ANY_VERSION
    ) -> None:
        """Remove a job from a queue unless its record has another version (0: no record).

        A job that no worker can send must not block those behind it.
        """
        self.run_if_unchanged(job_id, version, [("ZREM", queue, job_id)])

    def increment(self, counts: Mapping[str, int]) -> None:
        commands = [("HINCRBY", keys.COUNTERS, name, by) for name, by in counts.items()]
        self._redis.write_essential(*commands)


def _decoded(ids: Iterable[bytes]) -> tuple[str, ...]:
    return tuple(job_id.decode() for job_id in ids)
