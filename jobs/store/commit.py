"""One change of a job record as arguments of `lua/commit.lua`, which writes it in one step (I2)."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import IntEnum
from types import MappingProxyType
from typing import Any, Generic, NamedTuple, TypeVar

from jobs.config.quotas import ConcurrencyLimits, QueueCapacity
from jobs.domain.job import Job
from jobs.domain.job_record import MediaFile
from jobs.domain.notifications import OwnerEvents
from jobs.domain.status import Status
from jobs.store import change_stream, codec, late_objects, rq_queue
from jobs.store.budgets import Budgets, new_price
from jobs.store.costs import cost_updates
from jobs.store.indexes import capacities, index_updates
from jobs.store.metrics import ended_counter
from jobs.store.redis import keys
from jobs.store.redis.scripts import Command, flat
from jobs.store.scopes import queue_key

CLOCK_DIFFERENCE_SECONDS = 5.0
# Less than a web process waits for Redis: what was answered with 503 must not be done afterwards.
SUBMISSION_LATE_SECONDS = 1.5
TOMBSTONE_SECONDS = 8 * 86400  # as long as BFL could still call about the job
# If BFL did not take an input that is to be deleted, it can be sent again for this time.
REPLAY_SECONDS = 86400
UNRECORDED_SECONDS = 3600.0  # after it the sweep deletes objects of inputs that no record names
ANY_VERSION = "any"
WAITING = keys.STATUS_PREFIX + Status.QUEUED
NO_COUNTS: Mapping[str, int] = MappingProxyType({})


class CommitOutcome(IntEnum):
    """Outcomes of the script."""

    CONFLICT = 0
    WRITTEN = 1
    NO_FREE_SLOT = 2
    QUEUE_FULL = 3
    DELETED = 4
    EVICTED = 5
    OVER_BUDGET = 6
    UNKNOWN = 7


class Followers(NamedTuple):
    """Followers of a job's end: notifications of the operator's URLs, a row in the archive."""

    owner: OwnerEvents = MappingProxyType({})
    archive: bool = False


NO_FOLLOWERS = Followers()
After = TypeVar("After", bound=Job | None)


class Change(NamedTuple, Generic[After]):
    """A job before and after an update; the same object twice when nothing was written."""

    before: Job | None
    after: After

    @property
    def written(self) -> bool:
        return self.after is not self.before


class CommitOptions(NamedTuple):
    """Writes that accompany a change of a record.

    `counts` are increments of counters, `input_note` is removed because the record names its
    objects, `unless_deleted` forbids to make a deleted job anew, `takes_rq_job` removes one RQ job.
    `only_known` forbids to make a job at all: the archive is to be asked before.
    A new job is refused while there is a record of one of its `rivals`. `commands` run last.
    """

    counts: Mapping[str, int] = NO_COUNTS
    input_note: str | None = None
    unless_deleted: bool = False
    only_known: bool = False
    takes_rq_job: bool = False
    rivals: tuple[str, ...] = ()
    commands: tuple[Command, ...] = ()


NO_OPTIONS = CommitOptions()


@dataclass(frozen=True, slots=True)
class Commit:
    """A change from one state of a record (None: there is none yet) to the next."""

    before: Job | None
    after: Job
    options: CommitOptions
    archives: bool

    def keys(self) -> list[str]:
        """KEYS of the script."""
        names = [keys.RECORD_PREFIX + self.after.id, keys.QUEUES, WAITING, keys.DELETIONS]
        if self.before:
            return names
        names += tombstone_keys(self.after)
        if self.options.unless_deleted:
            names.append(keys.TASK_PREFIX + self.after.id)  # another job with this task id
        names += [keys.RECORD_PREFIX + rival for rival in self.options.rivals]
        return names

    def arguments(
        self, now: float, limits: ConcurrencyLimits, room: QueueCapacity, budgets: Budgets
    ) -> list[Any]:
        """ARGV of the script, in the order of its header."""
        arguments = self._record_arguments()
        arguments.append(now)
        arguments += self._request_limits(room)
        arguments += budgets.limits(self.before, self.after, now)
        capacity_by_set = capacities(self.before, self.after, limits, room)
        arguments += _flat_items(capacity_by_set)
        sets_left, scores = index_updates(self.before, self.after)
        arguments.append(len(sets_left))
        arguments += sets_left
        arguments += _flat_items(scores)
        arguments += flat(self._commands())
        arguments += new_price(self.before, self.after)
        queues = self._queues()
        arguments.append(len(queues))
        arguments += queues
        arguments += self._rq_arguments()
        return arguments

    @property
    def is_new_submission(self) -> bool:
        """Whether this adds a job to the submission queue."""
        return self.before is None and self.after.submission.is_queued

    @property
    def _was_terminal(self) -> bool:
        return self.before is not None and self.before.status.terminal

    @property
    def _ends(self) -> bool:
        """Whether the job ends by this change."""
        return self.after.status.terminal and not self._was_terminal

    def _record_arguments(self) -> list[Any]:
        """The record, and what forbids to write it."""
        expected_version = 0
        tombstones_count = 0
        if self.before:
            expected_version = self.before.version
        else:
            tombstones_count = len(names_of(self.after))
        return [
            expected_version,
            codec.encode(self.after, self.after.version),
            self.after.id,
            tombstones_count,
            int(self.options.unless_deleted),
            int(self.options.only_known),
        ]

    def _request_limits(self, room: QueueCapacity) -> tuple[float, int, float]:
        """The tolerated difference of the clocks, the most submissions, and their memory."""
        if self.is_new_submission:
            return SUBMISSION_LATE_SECONDS, room.submissions, room.memory_share
        return CLOCK_DIFFERENCE_SECONDS, -1, 0

    def _commands(self) -> list[Command]:
        """The commands that follow from this change, for the same script."""
        commands = self._counter_increments()
        commands += cost_updates(self.before, self.after)
        commands += self._alias_updates()
        commands += self._input_note_updates()
        is_requested_again = self.before is None and not self.options.unless_deleted
        if is_requested_again:  # by its caller: a tombstone prevents it no longer
            commands.append(("DEL", keys.TOMBSTONE_PREFIX + self.after.id))
        if self._may_leave_objects():
            commands.append(("ZADD", keys.SUPERSEDED, self.after.end, self.after.id))
            if self.after.status is Status.STORED:
                commands.append(late_objects.note_of_stored_job(self.after))
        commands += self._archive_updates()
        commands += change_stream.change_event(self.before, self.after)
        commands += self.options.commands
        return commands

    def _counter_increments(self) -> list[Command]:
        counts = dict(self.options.counts)
        is_restored = self.before is None and self.after.status is Status.STORED  # from its sidecar
        if self._ends and not is_restored:
            counts[ended_counter(self.after.status, self.after.source)] = 1
        return [("HINCRBY", keys.COUNTERS, name, by) for name, by in counts.items()]

    def _alias_updates(self) -> list[Command]:
        """The commands by which a job is found by BFL's task id too."""
        previous_aliases = aliases(self.before) if self.before else frozenset[str]()
        current_aliases = aliases(self.after)
        if previous_aliases == current_aliases:
            return []
        commands: list[Command] = []
        for task_id in previous_aliases - current_aliases:
            commands.append(("DEL", keys.TASK_PREFIX + task_id))
        for task_id in current_aliases - previous_aliases:
            commands.append(("SET", keys.TASK_PREFIX + task_id, self.after.id))
        return commands

    def _input_note_updates(self) -> list[Command]:
        """The commands that note which objects of inputs the sweep deletes.

        The record names the objects of a new input; those of a used input are to be deleted.
        """
        job = self.after
        commands: list[Command] = []
        if self.options.input_note:
            commands.append(("ZREM", keys.INPUT_NOTES, self.options.input_note))
        if not job.request.deletes_input or job.request.kept_input is None:
            return commands
        had_task_id = self.before is not None and self.before.task_id is not None
        if job.task_id is not None and not had_task_id:
            delete_at = job.updated_at
        elif job.task_id is None and self._ends:
            delete_at = job.end + REPLAY_SECONDS
        else:
            return commands
        note = input_note(job.id, job.request.input_files)
        commands.append(("ZADD", keys.INPUT_NOTES, delete_at, note))
        return commands

    def _may_leave_objects(self) -> bool:
        """Whether the sweep must delete objects of earlier claims: this worker may be killed."""
        if self.before is None or not self._ends:
            return False
        claims = self.after.lease.rescue_attempts
        if self.after.status is Status.STORED:
            return claims > 1  # the objects of one claim are those of the record
        return claims > 0

    def _archive_updates(self) -> list[Command]:
        if not self.archives:
            return []
        job = self.after
        # The sweep writes it to the archive at once (I30): until then the job would be a new one
        # to a late callback, if Redis were lost.
        if job.status.terminal:
            return [("ZADD", keys.ARCHIVE_DUE, job.version / 1e6, job.id)]
        if self._was_terminal:  # a replayed job has not ended
            return [("ZREM", keys.ARCHIVE_DUE, job.id)]
        return []

    def _queues(self) -> set[str]:
        """The submission queues that may lose their last job by this change, or get their first."""
        queues: set[str] = set()
        if self.before and self.before.submission.is_queued:
            queues.add(queue_key(self.before))
        if self.after.submission.is_queued:
            queues.add(queue_key(self.after))
        return queues

    def _rq_arguments(self) -> list[int | str]:
        """Whether the job waits for a worker and did not before, and whether it frees a slot."""
        before = self.before
        after = self.after
        had_work = before is not None and before.lease.work_deadline is not None
        gains_work = after.lease.work_deadline is not None and not had_work
        was_queued = before is not None and before.submission.is_queued
        joins_queue = after.submission.is_queued and not was_queued
        needs_worker = gains_work or joins_queue
        # The RQ job of this job's work is used up, and another job could take the slot.
        had_slot = before is not None and before.submission.slot
        frees_slot = had_slot and not after.submission.slot and not after.submission.is_queued
        arguments: list[int | str] = [
            int(needs_worker),
            int(frees_slot),
            int(self.options.takes_rq_job),
        ]
        if needs_worker or frees_slot:
            arguments += rq_queue.arguments()
        return arguments


def aliases(job: Job) -> frozenset[str]:
    """BFL's task id, where it is not the job's own id."""
    if not job.task_id or job.task_id == job.id:
        return _NO_ALIASES
    return frozenset({job.task_id})


_NO_ALIASES: frozenset[str] = frozenset()


def names_of(job: Job) -> list[str]:
    """The ids by which a job is found: its own and BFL's."""
    names = [job.id]
    names += aliases(job)
    return names


def tombstone_keys(job: Job) -> list[str]:
    return [keys.TOMBSTONE_PREFIX + name for name in names_of(job)]


def input_note(job_id: str, files: Iterable[MediaFile]) -> str:
    """The entry in INPUT_NOTES for objects of an input."""
    words = [job_id]
    words += [file.key for file in files]
    return " ".join(words)


def _flat_items(mapping: Mapping[str, float]) -> list[Any]:
    """The number of items, then each key followed by its value."""
    arguments: list[Any] = [len(mapping)]
    for key_and_value in mapping.items():
        arguments += key_and_value
    return arguments
