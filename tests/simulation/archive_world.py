"""An installation with an archive, over weeks: jobs end, are archived, evicted and brought back."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from jobs.archive.archive import Archive
from jobs.archive.database import ConnectionLost
from jobs.catalog import Catalog
from jobs.config.settings import Settings
from jobs.daily_costs import DailyCosts
from jobs.domain.job import Job
from jobs.services import Services
from jobs.store.redis.keys import (
    COUNTERS,
    DELETIONS,
    EVENTS,
    NOTIFICATIONS,
    RECORD_PREFIX,
    TOMBSTONE_PREFIX,
)
from tests.simulation import archive_faults, archive_processes, archive_races, checks, processes
from tests.simulation.archive_database import ArchiveModel, SimulatedDatabase
from tests.simulation.archive_faults import ArchiveFaults
from tests.simulation.bfl import Task
from tests.simulation.boundaries import load_test_settings
from tests.simulation.world import START, World

DAY = 86400.0
EVEN = 6.0  # times the boldness of 0.15
RECORD = RECORD_PREFIX.encode()
_OF_NEW_JOBS = tuple(key.encode() for key in (COUNTERS, EVENTS, NOTIFICATIONS, "fluxkeep:costs:"))


@dataclass
class ArchiveWorld(World):
    """One run. Beside the invariants of `World`, those of the archive are checked at each step."""

    archive_faults: ArchiveFaults = field(default_factory=ArchiveFaults)
    sql_flaw: tuple[str, str] = ("", "")

    def __post_init__(self) -> None:
        super().__post_init__()
        self.scheduler.stall_seconds = self.archive_faults.stall_seconds
        self.job_ids = [f"task-{n}" for n in range(self.archive_faults.jobs)]
        self.archive = ArchiveModel(self, self.sql_flaw)
        self.passes = 0  # under way
        self.last_edit = 0
        self.readable: set[str] = set()  # was answered, and not deleted
        self.epochs = dict.fromkeys(self.job_ids, 0)  # of deletions and new beginnings
        self.edits: dict[str, int] = {}  # the latest that was answered
        self.restores = 0  # of Redis or the database
        self.is_redis_older = False
        self._lost: set[str] = set()
        self.created_at: dict[str, float] = {}
        # The creation of each job that had an id: deleted ones are announced anew.
        self.made_anew: set[str] = set()  # announced while the database was away
        self.row_epochs: dict[str, tuple[int, float]] = {}
        self.incarnations: dict[str, set[float]] = {name: set() for name in self.job_ids}
        self.stored: set[str] = set()
        self._deleting, self._announcing = Counter[str](), Counter[str]()
        self._away: list[tuple[float, float]] = []
        self._errors = self.archive_faults.errors
        self._late_writes = self.archive_faults.late_writes
        self._observed: tuple[int, int] = (-1, -1)
        self._commands, self._objects_at, self._objects_deleted = 0, 0, 0
        execute: Any = self.redis.execute
        redis: Any = self.redis
        redis.execute = lambda words: self._execute(execute, words)

    # Parts of one process.

    def settings(self) -> Settings:
        return load_test_settings(
            DATABASE_URL="sqlite:////archive.db", HOT_DAYS=str(self.archive_faults.hot_days)
        )

    def build_services(self) -> Services:
        built: Any = super().build_services()
        built.archive = Archive(SimulatedDatabase(self))
        built.catalog = Catalog(built.store, built.listing, built.archiving, built.archive)
        built.daily_costs = DailyCosts(built.costs, built.archive, built.consistency)
        services: Services = built
        return services

    # Faults.

    def database_step(self, label: str) -> None:
        """Before and after each transaction: the database may be away, or its answer be lost."""
        self.scheduler.step(f"database: {label}")
        self._observe()
        if self._is_away():
            raise ConnectionLost("away")
        if self._errors and self.chooser.choose(2):
            self._errors -= 1
            self.scheduler.trace.append(f"{self.scheduler.now:.3f} the answer is lost")
            raise ConnectionLost("no answer")
        if label == "write" and self._late_writes and self.chooser.choose(2, weight=EVEN / 2):
            self._late_writes -= 1
            self.scheduler.trace.append(f"{self.scheduler.now:.3f} stops for a while")
            self.scheduler.sleep(archive_faults.LATE_SECONDS)

    def take_away(self, seconds: float) -> None:
        """The database is away from now on."""
        self._away.append((self.scheduler.now, self.scheduler.now + seconds))

    def _is_away(self) -> bool:
        return any(begin <= self.scheduler.now < end for begin, end in self._away)

    def announces_blindly(self, job_id: str) -> bool:
        """Whether a client announces the job while nobody can look for its row."""
        return self._announcing[job_id] > 0 and self._is_away()

    def begin_restore(self) -> None:
        """Redis or the database comes back older: what it had is checked from now on."""
        self.restores += 1
        self._observed = (-1, -1)
        self.stored.clear()
        self.row_epochs.clear()

    def accept_losses(self) -> None:
        """Nothing else has what is gone now."""
        found = self.jobs_anywhere()
        self._lost |= {*self.job_ids} - found.keys()
        self.readable &= found.keys()
        self.terminal = {name: job.status for name, job in found.items() if job.status.terminal}
        self.created_at = {name: job.created_at for name, job in found.items()}
        self.edits = {name: job.metadata.get("edit", 0) for name, job in found.items()}

    def storage_step(self, name: str) -> None:
        super().storage_step(name)
        self._objects_deleted += name.startswith("delete")

    # What clients decide.

    def choose(self, alternatives: int) -> int:
        """Any of them, as likely as the others; the plain schedule takes the first."""
        return self.chooser.choose(alternatives, weight=EVEN)

    def choose_job(self) -> str:
        """A job whose task BFL has begun: nobody knows of another, and BFL would not end it."""
        now = self.scheduler.now
        begun = [name for name in self.job_ids if self.bfl.tasks[name].ready_at <= now]
        return begun[self.choose(len(begun))]

    def pause(self) -> None:
        """Some hours; or until a sweep is at work, where most races are."""
        pauses = self.archive_faults.pauses
        self.scheduler.sleep(pauses[self.choose(len(pauses))])
        if self.choose(2):
            self.scheduler.wait(lambda: self.passes)

    # What is true of a job, wherever it is.

    def jobs_anywhere(self) -> dict[str, Job]:
        """Each job: its record, or else its row unless it was deleted."""
        deletions = self.redis.data.get(DELETIONS.encode(), {})
        found = {
            name: row.job
            for name, row in self.archive.rows().items()
            if deletions.get(name.encode(), -1.0) < row.version
        }
        return found | {job.id: job for job in self.jobs()}

    def is_outranked(self, job_id: str) -> bool:
        """Whether its record, of an older Redis, says less than its stored row, and will go."""
        row = self.archive.rows().get(job_id)
        here = {job.status for job in self.jobs() if job.id == job_id}
        return bool(here) and row is not None and row.status == "stored" and "stored" not in here

    def is_deletion_remembered(self, job_id: str) -> bool:
        """Whether Redis has a tombstone of a deleted job, or its entry in `deletions`."""
        tombstone = self.redis.data.get(f"{TOMBSTONE_PREFIX}{job_id}".encode())
        return tombstone == b"" or job_id.encode() in self.redis.data.get(DELETIONS.encode(), {})

    def record(self, job_id: str) -> bytes | None:
        found: bytes | None = self.redis.data.get(RECORD + job_id.encode())
        return found

    # Invariants that must hold after every step.

    def _observe(self) -> None:
        seen = (self._commands, self.archive.writes)
        if seen == self._observed:
            return
        self._observed = seen
        for name in +self._deleting:
            self._forget(name)
            self._observed = seen
        if self.is_redis_older:  # I26: a lesser record goes, and the stored row is seen again
            for name, row in self.archive.rows().items():
                if row.status == "stored":
                    self.terminal.pop(name, None)
        found = self.jobs_anywhere()
        for name, job in found.items():
            checks.check_identity(self, name, job)
        super()._observe()
        self._check_jobs(found)
        checks.check_due(self)
        if self._objects_at != self._objects_deleted:
            self._objects_at = self._objects_deleted
            checks.check_objects_of(self, found)

    def _check_jobs(self, found: dict[str, Job]) -> None:
        for name in self.readable - found.keys():
            self.violate(f"I24: job {name} was readable and is nowhere")
        for name in self.deleted & found.keys():
            self.violate(f"I27: job {name} was deleted and is there again")
        for name, job in found.items():
            checks.check_edits(self, name, job)

    def _check_writer(self, job: Job) -> None:
        """A job that is recalled looks as if it had ended now where its past is not known."""
        if not (self.epochs[job.id] or self.is_redis_older):
            super()._check_writer(job)

    def _check_acknowledged(self) -> None:
        """I1, wherever the job is; that it stays there is I24."""

    def _execute(self, execute: Any, words: list[bytes]) -> Any:
        self._commands += 1
        if words[0] not in (b"EVALSHA", b"EVAL"):
            return execute(words)
        hidden = self.jobs_anywhere().keys() - {job.id for job in self.jobs()}
        before = self._numbers() if hidden else None
        try:
            return execute(words)
        finally:
            came = {job.id for job in self.jobs() if job.status.terminal} & hidden
            if came and before != self._numbers():
                self.violate(f"I33: that {came} came back was counted, booked or announced")

    def _numbers(self) -> str:
        """Numbers that new jobs and visible changes add to."""
        data = sorted(self.redis.data.items())
        return repr([pair for pair in data if pair[0].startswith(_OF_NEW_JOBS)])

    # The clients' views.

    @property
    def changing(self) -> str:
        """A job that a client announces or deletes now; empty without one."""
        return next(iter(sorted([*+self._deleting, *+self._announcing])), "")

    @contextmanager
    def deletion(self, job_id: str) -> Iterator[None]:
        """From its begin on the job may be there or not; after its answer it is not."""
        self.epochs[job_id] += 1
        self._deleting[job_id] += 1
        self._forget(job_id)
        began = self.epochs[job_id]
        try:
            yield
            if not self._announcing[job_id] and self.epochs[job_id] == began:
                self.deleted.add(job_id)
        finally:
            self._forget(job_id)
            self._deleting[job_id] -= 1
            self.epochs[job_id] += 1

    def _forget(self, job_id: str) -> None:
        """Check no more what was known of a job."""
        known: tuple[set[str], ...] = (self.readable, self.acknowledged, self.stored)
        for ids in known:
            ids.discard(job_id)
        memories: tuple[dict[str, Any], ...] = (self.terminal, self.created_at, self.edits)
        for memory in memories:
            memory.pop(job_id, None)
        self._observed = (-1, -1)

    @contextmanager
    def announcement(self, job_id: str) -> Iterator[None]:
        """A client announces the job, which may have been deleted."""
        self._announcing[job_id] += 1
        if job_id in self.deleted or self._deleting[job_id]:
            self.deleted.discard(job_id)
            self.epochs[job_id] += 1
        try:
            yield
            self._observe()  # what it has made, while it is known who made it
        finally:
            self._announcing[job_id] -= 1

    def answer(self, job_id: str) -> None:
        """A client was told of a job, which Redis may know of although its row was lost."""
        if job_id not in self._lost or job_id in self.jobs_anywhere():
            self.readable.add(job_id)

    # The run.

    @property
    def ends_at(self) -> float:
        return START + self.archive_faults.days * DAY

    def _is_over(self) -> bool:
        return bool(self.violations) or self.scheduler.now >= self.ends_at

    def _start(self) -> None:
        begins_at = self.archive_faults.begins_at
        for n, job_id in enumerate(self.job_ids):
            at = n * self.archive_faults.seconds_apart
            self.bfl.tasks[job_id] = Task(job_id, job_id, START + at)
            self._add(f"app {job_id}", archive_processes.announcer, job_id, at=at)
            self.call_back(self.bfl.tasks[job_id])
        for name in self.archive_faults.clients:
            client = getattr(archive_races, name, None) or getattr(archive_processes, name)
            self._add(name, client, at=begins_at, restart=5.0)
        for n in range(self.workers):
            self._add(f"worker {n}", processes.worker, restart=2.0)
        self._add("sweep", archive_processes.sweeper, restart=2.0)
        self._add("held", archive_processes.applier, restart=2.0)
        for n in range(self.archive_faults.sweeps):
            self._add(f"archiving {n}", archive_processes.archiver, at=begins_at, restart=2.0)
        for name in archive_faults.of(self.archive_faults):
            self._add(name, getattr(archive_faults, name))

    def call_back(self, task: Task) -> None:
        """Callbacks about a task soon and for a week; those of the last job never come."""
        if task.job_id == self.job_ids[-1]:
            return
        for n in range(2):
            at = task.ready_at - START + 1.0 + n
            self._add(f"web {task.id} {n}", archive_processes.caller, task, n, at=at)

    def _check_end(self) -> None:
        checks.check_end(self)
