"""A change of a record written out as arguments of the script that commits it."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from jobs import records
from jobs.job import Job
from jobs.keys import COUNTS, INPUTS, LINE, TASKS
from jobs.limits import Limits
from jobs.places import caps, moves, places
from jobs.queues import ENTRY_TTL_SECONDS, Hints

INPUT_SECONDS_AFTERWARDS = 86400  # a refused submission can be sent again so long

Command = tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Plan:
    """From one state of a record (None: there is none yet) to the next, and what goes with it."""

    before: Job | None
    after: Job
    counts: Mapping[str, int]
    submission: bytes | None = None
    places_before: dict[str, float] = field(init=False)
    places_after: dict[str, float] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "places_before", places(self.before) if self.before else {})
        object.__setattr__(self, "places_after", places(self.after))

    def arguments(self, now: float, limits: Limits, hints: Hints) -> list[Any]:
        """What the script takes, in its order."""
        most = caps(self.before, self.after, limits)
        lines = self._lines()
        return [
            self.before.version if self.before else 0,
            records.encode(self.after, self.after.version + 1),
            now,
            len(most),
            *(part for key, cap in most.items() for part in (key, self.after.id, cap)),
            *_flat(self._commands()),
            len(lines),
            *lines,
            *_flat(_hint(hints, self.after.id) if self._needs_worker() else []),
            *_flat(_hint(hints, self.after.id) if self._frees_slot() else []),
        ]

    def _commands(self) -> list[Command]:
        raised = [("HINCRBY", COUNTS, name, by) for name, by in self.counts.items()]
        moved = moves(self.after.id, self.places_before, self.places_after)
        return [*moved, *raised, *self._names(), *self._input()]

    def _names(self) -> Iterable[Command]:
        """All ids find a job."""
        known = other_names(self.before) if self.before else frozenset()
        for task_id in sorted(other_names(self.after) - known):
            yield "SET", TASKS + task_id, self.after.id

    def _input(self) -> Iterable[Command]:
        key = INPUTS + self.after.id
        if self.submission is not None:
            yield "SET", key, self.submission
        elif self.after.ours and self.before:
            yield from self._input_used(key, self.before)

    def _input_used(self, key: str, before: Job) -> Iterable[Command]:
        if self.after.task_id and not before.task_id:
            yield "DEL", key
        elif self.after.state.terminal and not before.state.terminal:
            yield "EXPIRE", key, INPUT_SECONDS_AFTERWARDS
        elif self.after.waits and before.state.terminal:
            yield "PERSIST", key

    def _lines(self) -> list[str]:
        # Those it stays in as well: if its place was lost, so was perhaps the name of its line.
        touched = self.places_before.keys() | self.places_after.keys()
        return [key for key in touched if key.startswith(LINE)]

    def _needs_worker(self) -> bool:
        """Whether it newly waits for a worker."""
        before = self.before
        wanted = self.after.wanted is not None and (before is None or before.wanted is None)
        return wanted or (self.after.waits and not (before and before.waits))

    def _frees_slot(self) -> bool:
        """Whether somebody in line could go now; the entry for this job's own work is spent."""
        had = self.before is not None and self.before.slot
        return had and not self.after.slot and not self.after.waits


def other_names(job: Job) -> frozenset[str]:
    """What BFL calls a job, where that is not its own id."""
    return frozenset({job.task_id or job.id, *job.twins} - {job.id})


def _hint(hints: Hints, job_id: str) -> list[Command]:
    entry = hints.entry(job_id)
    return [
        ("HSET", entry.key, *entry.flat),
        ("EXPIRE", entry.key, ENTRY_TTL_SECONDS),
        ("SADD", hints.queues_key, hints.queue_key),
        ("RPUSH", hints.queue_key, entry.id),
    ]


def _flat(commands: list[Command]) -> list[Any]:
    """The number of commands, then each led by its number of words."""
    return [len(commands), *(word for one in commands for word in (len(one), *one))]
