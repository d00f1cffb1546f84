"""One change of a job record as arguments of `lua/commit.lua`, which writes it atomically (I2)."""

from collections.abc import Iterable, Iterator, Mapping
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
# An input that is to be deleted, and that BFL did not take, can be sent again for so long.
REPLAY_SECONDS = 86400
UNRECORDED_SECONDS = 3600.0  # then the sweep deletes objects of inputs that no record names
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
        request_limits: tuple[float, ...] = (CLOCK_DIFFERENCE_SECONDS, -1, 0)
        if self.is_new_submission:
            request_limits = (SUBMISSION_LATE_SECONDS, room.submissions, room.memory_share)
        return [
            self.before.version if self.before else 0,
            codec.encode(self.after, self.after.version),
            self.after.id,
            0 if self.before else len(_ids(self.after)),
            int(self.options.unless_deleted),
            int(self.options.only_known),
            now,
            *request_limits,
            *budgets.limits(self.before, self.after, now),
            *_flat_items(limited),
            len(left),
            *left,
            *_flat_items(added),
            *flat([*self._commands()]),
            *new_price(self.before, self.after),
            len(queues),
            *queues,
            *self._rq_arguments(),
        ]

    @property
    def is_new_submission(self) -> bool:
        """Whether this adds a job to the submission queue."""
        return self.before is None and self.after.submission.is_queued

    def _commands(self) -> Iterator[Command]:
        before, job = self.before, self.after
        was_terminal = before is not None and before.status.terminal
        ends = job.status.terminal and not was_terminal
        counts = dict(self.options.counts)
        if ends and (before or job.status is not Status.STORED):  # else restored from its sidecar
            counts[ended_counter(job.status, job.source)] = 1
        for name, by in counts.items():
            yield "HINCRBY", keys.COUNTERS, name, by
        yield from cost_updates(before, job)
        # A job is found by BFL's task id too.
        old, new = aliases(before) if before else frozenset(), aliases(job)
        yield from (("DEL", keys.TASK_PREFIX + task_id) for task_id in old - new)
        yield from (("SET", keys.TASK_PREFIX + task_id, job.id) for task_id in new - old)
        yield from self._input_notes(ends=ends)
        if before is None and not self.options.unless_deleted:  # requested again by its caller
            yield "DEL", keys.TOMBSTONE_PREFIX + job.id
        # The sweep deletes what earlier claims may have left: this worker may be killed.
        own = 1 if job.status is Status.STORED else 0
        if ends and before and job.lease.rescue_attempts > own:
            yield "ZADD", keys.SUPERSEDED, job.end, job.id
        # The sweep writes it to the archive at once (I30): until then the job would be a new one
        # to a late callback, if Redis were lost.
        if self.archives and job.status.terminal:
            yield "ZADD", keys.ARCHIVE_DUE, job.version / 1e6, job.id
        elif self.archives and was_terminal:  # a replayed one has not ended
            yield "ZREM", keys.ARCHIVE_DUE, job.id
        yield from change_stream.change_event(before, job)
        yield from self.options.commands

    def _input_notes(self, *, ends: bool) -> Iterator[Command]:
        """The record names the objects of a new input; one that is done with is to be deleted."""
        job, before = self.after, self.before
        if self.options.input_note:
            yield "ZREM", keys.INPUT_NOTES, self.options.input_note
        if not job.request.deletes_input or job.request.kept_input is None:
            return
        note = input_note(job.id, job.request.input_files)
        if job.task_id is not None and (before is None or before.task_id is None):
            yield "ZADD", keys.INPUT_NOTES, job.updated_at, note
        elif ends and job.task_id is None:
            yield "ZADD", keys.INPUT_NOTES, job.end + REPLAY_SECONDS, note

    def _rq_arguments(self) -> tuple[int | str, ...]:
        """Whether the job waits for a worker and did not before, and whether it frees a slot."""
        before, job = self.before, self.after
        had_work = before is not None and before.lease.work_deadline is not None
        was_queued = before is not None and before.submission.is_queued
        needs_worker = (job.lease.work_deadline is not None and not had_work) or (
            job.submission.is_queued and not was_queued
        )
        # The RQ job of this job's work is used up, and another job could take the slot.
        had_slot = before is not None and before.submission.slot
        frees_slot = had_slot and not job.submission.slot and not job.submission.is_queued
        new = rq_queue.arguments() if needs_worker or frees_slot else ()
        return int(needs_worker), int(frees_slot), int(self.options.takes_rq_job), *new


def aliases(job: Job) -> frozenset[str]:
    """BFL's task id, where it is not the job's own id."""
    return frozenset({job.task_id or job.id} - {job.id})


def _ids(job: Job) -> tuple[str, ...]:
    return (job.id, *aliases(job))


def input_note(job_id: str, files: Iterable[MediaFile]) -> str:
    """The entry in INPUT_NOTES for objects of an input."""
    return " ".join((job_id, *(file.key for file in files)))


def deleted_input(job: Job, now: float) -> list[Command]:
    """The command that notes its objects: an equal request may store them again meanwhile (I23)."""
    files = job.request.input_files
    note = ("ZADD", keys.INPUT_NOTES, now + UNRECORDED_SECONDS, input_note(job.id, files))
    return [note] if files else []


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
    sets = (*every(job), keys.ARCHIVE_DUE, keys.ARCHIVE_REFUSED, keys.ARCHIVE_PROVEN)
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
