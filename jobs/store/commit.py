"""One change of a job record as arguments of `lua/commit.lua`, which writes it atomically (I2)."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import IntEnum
from itertools import chain
from types import MappingProxyType
from typing import Any, Generic, NamedTuple, TypeVar

from jobs.config.quotas import ConcurrencyLimits, QueueCapacity
from jobs.domain.job import Job
from jobs.domain.job_record import MediaFile
from jobs.domain.notifications import OwnerEvents
from jobs.domain.status import Status
from jobs.store import change_stream, codec, rq_queue
from jobs.store.budgets import Budgets, new_price
from jobs.store.costs import cost_updates, deletion_updates
from jobs.store.indexes import capacities, every, index_updates, queue_key, unkept_sets
from jobs.store.metrics import ended_counter
from jobs.store.redis import keys
from jobs.store.redis.scripts import Command, flat

CLOCK_DIFFERENCE_SECONDS = 5.0
# Less than a web process waits for Redis: what was answered with 503 must not be done afterwards.
SUBMISSION_LATE_SECONDS = 1.5
TOMBSTONE_SECONDS = 8 * 86400  # as long as BFL could still call about the job
ARCHIVE_SECONDS = 60.0  # after the last write: thumbnails and notifications make one row
# An input that is to be deleted, and that BFL did not take, can be sent again for so long.
REPLAY_SECONDS = 86400
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
    A new job is refused while there is a record of one of its `rivals`. `commands` run last.
    """

    counts: Mapping[str, int] = NO_COUNTS
    input_note: str | None = None
    unless_deleted: bool = False
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
        names += _tombstones(self.after)
        if self.options.unless_deleted:
            names.append(keys.TASK_PREFIX + self.after.id)  # another job with this task id
        return [*names, *(keys.RECORD_PREFIX + rival for rival in self.options.rivals)]

    def arguments(
        self, now: float, limits: ConcurrencyLimits, room: QueueCapacity, budgets: Budgets
    ) -> list[Any]:
        """ARGV of the script."""
        limited = capacities(self.before, self.after, limits, room)
        left, added = index_updates(self.before, self.after)
        queues = {
            queue_key(job) for job in (self.before, self.after) if job and job.submission.is_queued
        }
        return [
            self.before.version if self.before else 0,
            codec.encode(self.after, self.after.version),
            self.after.id,
            0 if self.before else len(_ids(self.after)),
            int(self.options.unless_deleted),
            now,
            *self._request_limits(room),
            *budgets.limits(self.before, self.after, now),
            *_flat_items(limited),
            len(left),
            *left,
            *_flat_items(added),
            *flat(self._commands()),
            *new_price(self.before, self.after),
            len(queues),
            *queues,
            *self._rq_arguments(),
        ]

    @property
    def is_new_submission(self) -> bool:
        """Whether this adds a job to the submission queue."""
        return self.before is None and self.after.submission.is_queued

    def _request_limits(self, room: QueueCapacity) -> tuple[float, ...]:
        if not self.is_new_submission:
            return CLOCK_DIFFERENCE_SECONDS, -1, 0
        return SUBMISSION_LATE_SECONDS, room.submissions, room.memory_share

    def _commands(self) -> list[Command]:
        counts = {**self.options.counts, **_count_end(self.before, self.after)}
        return [
            *(("HINCRBY", keys.COUNTERS, name, by) for name, by in counts.items()),
            *cost_updates(self.before, self.after),
            *self._task_alias(),
            *self._input_notes(),
            *self._removed_tombstone(),
            *self._superseded(),
            *self._archive_due(),
            *change_stream.change_event(self.before, self.after),
            *self.options.commands,
        ]

    def _task_alias(self) -> Iterable[Command]:
        """Let a job be found by BFL's task id too."""
        before = aliases(self.before) if self.before else frozenset()
        after = aliases(self.after)
        for task_id in before - after:
            yield "DEL", keys.TASK_PREFIX + task_id
        for task_id in after - before:
            yield "SET", keys.TASK_PREFIX + task_id, self.after.id

    def _input_notes(self) -> Iterable[Command]:
        """The record names the objects of a new input; one that is done with is to be deleted."""
        job, before = self.after, self.before
        if self.options.input_note:
            yield "ZREM", keys.INPUT_NOTES, self.options.input_note
        has_task = job.task_id is not None and (before is None or before.task_id is None)
        has_ended = job.status.terminal and not (before and before.status.terminal)
        if not job.request.deletes_input or job.request.kept_input is None:
            return
        note = input_note(job.id, job.request.input_files)
        if has_task:
            yield "ZADD", keys.INPUT_NOTES, job.updated_at, note
        elif has_ended and job.task_id is None:
            yield "ZADD", keys.INPUT_NOTES, job.end + REPLAY_SECONDS, note

    def _removed_tombstone(self) -> Iterable[Command]:
        """Remove the tombstone: the caller requested this job again."""
        if self.before is None and not self.options.unless_deleted:
            yield "DEL", keys.TOMBSTONE_PREFIX + self.after.id

    def _superseded(self) -> Iterable[Command]:
        """Have the sweep delete what earlier claims may have left: this worker may be killed."""
        ends = self.after.status.terminal and self.before and not self.before.status.terminal
        own = 1 if self.after.status is Status.STORED else 0
        if ends and self.after.claim.rescue_attempts > own:
            yield "ZADD", keys.SUPERSEDED, self.after.end, self.after.id

    def _archive_due(self) -> Iterable[Command]:
        """Have the sweep write an ended job to the archive (I30); a replayed one has not ended."""
        if self.archives and self.after.status.terminal:
            yield (
                "ZADD",
                keys.ARCHIVE_DUE,
                self.after.version / 1e6 + ARCHIVE_SECONDS,
                self.after.id,
            )
        elif self.archives and self.before and self.before.status.terminal:
            yield "ZREM", keys.ARCHIVE_DUE, self.after.id

    def _rq_arguments(self) -> tuple[int | str, ...]:
        needs_worker, frees_slot = self._needs_worker(), self._frees_slot()
        new = rq_queue.arguments() if needs_worker or frees_slot else ()
        return int(needs_worker), int(frees_slot), int(self.options.takes_rq_job), *new

    def _needs_worker(self) -> bool:
        """Whether the job waits for a worker and did not before."""
        before = self.before
        has_work = self.after.claim.work_deadline is not None and (
            before is None or before.claim.work_deadline is None
        )
        return has_work or (
            self.after.submission.is_queued and not (before and before.submission.is_queued)
        )

    def _frees_slot(self) -> bool:
        """Whether another job could take the slot; the RQ job of this job's work is used up."""
        had_slot = self.before is not None and self.before.submission.slot
        return had_slot and not self.after.submission.slot and not self.after.submission.is_queued


def _count_end(before: Job | None, after: Job) -> Mapping[str, int]:
    """Count a job when it ends, but not when it is restored from its sidecar."""
    if not after.status.terminal or (before and before.status.terminal):
        return NO_COUNTS
    if before is None and after.status is Status.STORED:
        return NO_COUNTS
    return {ended_counter(after.status, after.source): 1}


def aliases(job: Job) -> frozenset[str]:
    """BFL's task id, where it is not the job's own id."""
    return frozenset({job.task_id or job.id} - {job.id})


def _ids(job: Job) -> tuple[str, ...]:
    return (job.id, *aliases(job))


def input_note(job_id: str, files: Iterable[MediaFile]) -> str:
    """The entry in INPUT_NOTES for objects of an input."""
    return " ".join((job_id, *(file.key for file in files)))


def _flat_items(mapping: Mapping[str, float]) -> list[Any]:
    return [len(mapping), *chain.from_iterable(mapping.items())]


def deletion(job: Job) -> list[Command]:
    """The commands that delete a record and all keys of its job."""
    return [
        *removal(job),
        *deletion_updates(job),
        *(("ZREM", key, job.id) for key in unkept_sets(job)),
        ("DEL", keys.REFUSED_CALLBACKS_PREFIX + job.id),
    ]


def removal(job: Job) -> list[Command]:
    """The commands that remove a record and its indexes; what the job is known by else stays."""
    # In whatever state it is: every index that it may be in is cleared.
    sets = (*every(job), keys.ARCHIVE_DUE, keys.ARCHIVE_REFUSED)
    stays = unkept_sets(job)
    return [
        *(("ZREM", key, job.id) for key in sets if key not in stays),
        ("DEL", keys.RECORD_PREFIX + job.id),
        *(("DEL", keys.TASK_PREFIX + task_id) for task_id in aliases(job)),
    ]


def tombstones(job: Job, status: str = "") -> list[Command]:
    """The commands that prevent later callbacks from making a job anew (I12).

    With a status the job is not deleted: the archive has it.
    """
    return [("SET", name, status, "EX", TOMBSTONE_SECONDS) for name in _tombstones(job)]


def _tombstones(job: Job) -> list[str]:
    return [keys.TOMBSTONE_PREFIX + name for name in _ids(job)]
