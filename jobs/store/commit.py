"""A change of a record written out as arguments of the script that commits it."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from jobs.config.concurrency import ConcurrencyLimits, QueueCapacity
from jobs.job import Job
from jobs.status import Status
from jobs.store import announcements, codec
from jobs.store.counters import of_end
from jobs.store.indexes import caps, every, index_updates, indexes
from jobs.store.keys import (
    COUNTERS,
    INPUT_PREFIX,
    INPUT_SIZES,
    QUEUE_PREFIX,
    RECORD_PREFIX,
    REFUSED_CALLBACKS_PREFIX,
    TASK_PREFIX,
    TOMBSTONE_PREFIX,
)
from jobs.store.rq_queue import RqQueue

LATE_SECONDS = 5.0
# Less than a web process waits for Redis: what was answered with 503 must not be done afterwards.
SUBMISSION_LATE_SECONDS = 1.5
FORGOTTEN_SECONDS = 8 * 86400  # as long as BFL could still call about it
INPUT_SECONDS_AFTERWARDS = 86400  # what BFL did not take can be sent again so long
LARGE_INPUT_BYTES = 64 * 1024
LARGE_INPUT_SECONDS_AFTERWARDS = 600  # what BFL refused will hardly be sent as it is

Command = tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Commit:
    """From one state of a record (None: there is none yet) to the next, and what goes with it."""

    before: Job | None
    after: Job
    counts: Mapping[str, int]
    submission: bytes | None = None
    unless_deleted: bool = False
    takes_rq_job: bool = False
    indexes_before: dict[str, float] = field(init=False)
    indexes_after: dict[str, float] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "indexes_before", indexes(self.before) if self.before else {})
        object.__setattr__(self, "indexes_after", indexes(self.after))

    @property
    def tombstones(self) -> tuple[str, ...]:
        """Keys that must not exist: a forgotten job, or another job that BFL calls by this id."""
        if self.before or not self.unless_deleted:
            return ()
        forgotten = (TOMBSTONE_PREFIX + name for name in sorted(_all_names(self.after)))
        return (*forgotten, TASK_PREFIX + self.after.id)

    def arguments(
        self, now: float, limits: ConcurrencyLimits, room: QueueCapacity, rq_queue: RqQueue
    ) -> list[Any]:
        """What the script takes, in its order."""
        most = caps(self.before, self.after, limits, room)
        lines = self._lines()
        return [
            self.before.version if self.before else 0,
            codec.encode(self.after, self.after.version),
            now,
            *self._demands(room),
            len(most),
            *(part for key, cap in most.items() for part in (key, self.after.id, cap)),
            *flat(self._commands()),
            len(lines),
            *lines,
            *self._hint(rq_queue),
        ]

    def _hint(self, rq_queue: RqQueue) -> tuple[int | str, ...]:
        needs_worker, frees_slot = self._needs_worker(), self._frees_slot()
        entry = rq_queue.entry(self.after.id) if needs_worker or frees_slot else ()
        return int(needs_worker), int(frees_slot), int(self.takes_rq_job), *entry

    def _demands(self, room: QueueCapacity) -> tuple[float, ...]:
        if self.submission is None:
            return LATE_SECONDS, -1, 0, 0
        return SUBMISSION_LATE_SECONDS, room.inputs, room.bytes, len(self.submission)

    def _commands(self) -> list[Command]:
        counted = {**self.counts, **_ending(self.before, self.after)}
        raised = [("HINCRBY", COUNTERS, name, by) for name, by in counted.items()]
        moved = index_updates(self.after.id, self.indexes_before, self.indexes_after)
        told = announcements.announcement(self.before, self.after)
        return [*moved, *raised, *self._names(), *self._input(), *self._wanted_again(), *told]

    def _wanted_again(self) -> Iterable[Command]:
        """Whoever asks for a job that was forgotten wants to hear of it."""
        if self.before is None and not self.unless_deleted:
            yield "DEL", TOMBSTONE_PREFIX + self.after.id

    def _names(self) -> Iterable[Command]:
        """Task aliases: both ids find a job."""
        known = other_names(self.before) if self.before else frozenset()
        now = other_names(self.after)
        for task_id in sorted(known - now):
            yield "DEL", TASK_PREFIX + task_id
        for task_id in sorted(now - known):
            yield "SET", TASK_PREFIX + task_id, self.after.id

    def _input(self) -> Iterable[Command]:
        key = INPUT_PREFIX + self.after.id
        if self.submission is not None:
            yield "SET", key, self.submission
            yield "HSET", INPUT_SIZES, self.after.id, len(self.submission)
        elif self.after.is_submission and self.before:
            yield from self._input_used(key, self.before)

    def _input_used(self, key: str, before: Job) -> Iterable[Command]:
        if self.after.task_id and not before.task_id:
            yield "DEL", key
            yield "HDEL", INPUT_SIZES, self.after.id
        elif self.after.status.terminal and not before.status.terminal:
            yield "EXPIRE", key, self._input_seconds()
            yield "HDEL", INPUT_SIZES, self.after.id
        elif self.after.submission.is_queued and before.status.terminal:
            yield "PERSIST", key
            yield "HSET", INPUT_SIZES, self.after.id, self.after.submission.input_bytes

    def _input_seconds(self) -> int:
        refused = self.after.error and self.after.error.status
        large = self.after.submission.input_bytes > LARGE_INPUT_BYTES
        return LARGE_INPUT_SECONDS_AFTERWARDS if refused and large else INPUT_SECONDS_AFTERWARDS

    def _lines(self) -> list[str]:
        # Those it stays in as well: if its place was lost, so was perhaps the name of its line.
        touched = self.indexes_before.keys() | self.indexes_after.keys()
        return [key for key in touched if key.startswith(QUEUE_PREFIX)]

    def _needs_worker(self) -> bool:
        """Whether it newly waits for a worker."""
        before = self.before
        wanted = self.after.check.work_deadline is not None and (
            before is None or before.check.work_deadline is None
        )
        return wanted or (
            self.after.submission.is_queued and not (before and before.submission.is_queued)
        )

    def _frees_slot(self) -> bool:
        """Whether somebody in line could go now; the entry for this job's own work is spent."""
        had = self.before is not None and self.before.submission.slot
        return had and not self.after.submission.slot and not self.after.submission.is_queued


def _ending(before: Job | None, after: Job) -> Mapping[str, int]:
    """A job is counted when it ends, and not when it is brought back from the storage."""
    if not after.status.terminal or (before and before.status.terminal):
        return {}
    if before is None and after.status is Status.STORED:
        return {}
    return {of_end(after.status, after.source): 1}


def other_names(job: Job) -> frozenset[str]:
    """What BFL calls a job, where that is not its own id."""
    return frozenset({job.task_id or job.id} - {job.id})


def _all_names(job: Job) -> frozenset[str]:
    return other_names(job) | {job.id}


def flat(commands: list[Command]) -> list[Any]:
    """The number of commands, then each led by its number of words."""
    return [len(commands), *(word for one in commands for word in (len(one), *one))]


def record_keys(job: Job) -> list[Command]:
    """The commands that take a record away with all that is known of it."""
    # Its places may have changed since it was read: all it can have are cleared.
    commands: list[Command] = [("ZREM", key, job.id) for key in every(job)]
    commands += [
        ("DEL", prefix + job.id)
        for prefix in (RECORD_PREFIX, REFUSED_CALLBACKS_PREFIX, INPUT_PREFIX)
    ]
    commands.append(("HDEL", INPUT_SIZES, job.id))
    return [*commands, *(("DEL", TASK_PREFIX + name) for name in other_names(job))]


def tombstones(job: Job) -> list[Command]:
    """The commands that keep what BFL still says of a job from making it anew."""
    return [
        ("SET", TOMBSTONE_PREFIX + n, "", "EX", FORGOTTEN_SECONDS) for n in sorted(_all_names(job))
    ]
