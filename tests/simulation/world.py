"""A whole installation over models: web, workers, sweep, BFL and storage in one thread."""

import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from redis.exceptions import ConnectionError as RedisConnectionError

from jobs import services
from jobs.config.settings import Settings
from jobs.domain.errors import StorageError
from jobs.domain.job import Job
from jobs.domain.status import REPLAYABLE
from jobs.services import Services
from jobs.store.redis.keys import ACTIVE, IN_FLIGHT, QUEUE_PREFIX
from tests.harness.submission_queue import Queues, queues_of_records
from tests.simulation import boundaries, checks, processes
from tests.simulation.bfl import SHIPPED_CLUSTER, Bfl, SimulatedBflClient, Task
from tests.simulation.connection import client
from tests.simulation.redis_model import Flaws, RedisModel
from tests.simulation.scheduler import CLOCK_FAULTS, Chooser, Process, Scheduler


@dataclass(frozen=True)
class Faults:
    """Faults of a run, and how often each occurs."""

    kills: int = 0
    kills_after_publishing: int = 0
    stalls: int = 0
    clocks: int = 0  # of each kind: steps forward, steps back, suspends
    bfl: int = 0  # answers of BFL other than plain acceptance
    outage: tuple[float, float] | None = None  # Redis is away: from, to (seconds after the start)
    full: tuple[float, float] | None = None  # the memory of Redis is full: from, to
    failover_at: float | None = None  # Redis loses its last second
    lost_replies: int = 0  # scripts that run although their caller sees an error
    storage_errors: int = 0
    download_seconds: float = 0.0  # without a renewal: longer than a lease is a stalled worker
    lost_callbacks: bool = False
    first_callbacks: int = 0  # so many of the first tasks' callbacks come although others are lost
    clusters: tuple[str, ...] = (SHIPPED_CLUSTER, "eu2")  # of BFL; each has every n-th task
    duplicates: int = 0
    deleted_at: float | None = None  # an operator deletes the jobs
    replays: bool = False  # an operator replays each job that was not stored, once


START = 1_790_000_000.0
KILL_AFTER_PUBLISHING_WEIGHT = 4.0  # a worker publishes seldom
HORIZON_SECONDS = 3 * 3600.0
SETTLE_SECONDS = 190.0  # longer than stalled processes sleep and left objects stay
# What comes back after a deletion is found when as much time again has passed.
SETTLE_AFTER_DELETION_SECONDS = 700.0
TAKEN_OVER_SECONDS = 240.0  # a lease, and a stall and a suspend of the sweep


@dataclass
class Outcome:
    """Final state of a run, for the invariants."""

    world: "World"
    seed: int
    trace: list[str]
    choices: list[tuple[int, int]]


@dataclass
class World:
    """One run: the same seed and choices give the same trace."""

    faults: Faults
    chooser: Chooser
    models: tuple[str, ...] = ()  # one job that Fluxkeep submits for each; else one announced job
    workers: int = 2
    flaws: Flaws = field(default_factory=Flaws)

    def __post_init__(self) -> None:
        f = self.faults
        faults = {"kill": f.kills, "stall": f.stalls, **dict.fromkeys(CLOCK_FAULTS, f.clocks)}
        self.scheduler = Scheduler(self.chooser, START, faults)
        self.redis = RedisModel(START, flaws=self.flaws)
        self.media = services.build_storage(boundaries.load_test_settings())
        self.bfl = Bfl(self)
        self.bfl_faults = f.bfl
        self.job_ids = [f"job-{n}" for n, _ in enumerate(self.models)] or ["task-1"]
        self.acknowledged: set[str] = set()
        self.deleted: set[str] = set()
        self.replayed: set[str] = set()
        self.terminal: dict[str, str] = {}
        self.published: dict[str, float] = {}  # by job, when its object was
        self.violations: list[str] = []
        self._snapshots: list[tuple[float, Any]] = []
        self._storage_errors = f.storage_errors
        self._kills_after_publishing = f.kills_after_publishing
        self._unanswered: list[list[bytes]] = []
        self.failed_over = False
        self._holders: dict[str, tuple[int, str]] = {}
        self._writer = ""
        self._ended_at = START

    # Parts of one process.

    def settings(self) -> Settings:
        return boundaries.load_test_settings()

    def build_services(self) -> Services:
        """The real services of a process, its connections leading to the models."""
        redis = client(self.redis, self._before)
        built = services.Services(self.settings(), redis)
        replaced: Any = built
        replaced.storage = boundaries.SteppedStorage(self, self.media)
        replaced.bfl_clients = {None: SimulatedBflClient(self.bfl)}
        return built

    def _before(self, words: list[bytes]) -> None:
        self.scheduler.step(self.redis.describe(words))
        self.redis.now = self.scheduler.now
        since = self.scheduler.now - START
        if self.faults.outage and self.faults.outage[0] <= since < self.faults.outage[1]:
            raise RedisConnectionError("away")
        full = self.faults.full
        self.redis.is_full = full is not None and full[0] <= since < full[1]
        self._fail_over(since)
        self._observe()
        self._writer = self.scheduler.current.name
        if len(self._unanswered) < self.faults.lost_replies and words[0] == b"EVALSHA":
            self._lose_reply(words)

    def _lose_reply(self, words: list[bytes]) -> None:
        """Sometimes run a script and lose the reply; the caller tries again at once."""
        if words in self._unanswered or not self.chooser.choose(2):
            return
        self._unanswered.append(words)
        self.scheduler.trace.append(f"{self.scheduler.now:.3f} the reply is lost")
        self.redis.execute(words)
        raise RedisConnectionError("away")

    def _fail_over(self, since: float) -> None:
        if self.faults.failover_at is None or self.failed_over:
            return
        self._snapshots.append((since, self.redis.snapshot()))
        if since >= self.faults.failover_at:
            kept = [one for at, one in self._snapshots if at <= since - 1.0]
            self.restore_redis(kept[-1] if kept else self._snapshots[0][1])
            self.scheduler.trace.append(f"{self.scheduler.now:.3f} Redis loses its last second")

    def restore_redis(self, snapshot: Any) -> None:
        """Redis comes back older: what it has lost is checked no more."""
        self.redis.restore(snapshot)
        self.failed_over = True
        self.terminal.clear()
        # Nobody knows which of the workers has made these claims.
        self._holders = {job.id: (job.lease.fencing_token, "") for job in self.jobs()}
        self.acknowledged.clear()
        self.bfl.forget()

    # Invariants that must hold after every step.

    def _observe(self) -> None:
        jobs = list(self.jobs())
        due = set(self.redis.data.get(b"fluxkeep:due", {}))
        if due != {job.id.encode() for job in jobs if not job.status.terminal}:
            self.violate(f"I3: in due are {due}, jobs are {[(job.id, job.status) for job in jobs]}")
        if self._queues() != queues_of_records(jobs):
            self.violate("I2: queues and slots are not those of the records")
        for job in jobs:
            self._check_writer(job)
            before = self.terminal.get(job.id)
            is_replayed = before in REPLAYABLE and job.id in self.replayed
            if before is not None and before != job.status and not is_replayed:
                self.violate(f"I5: job {job.id} went from {before} to {job.status}")
            if job.status.terminal:
                self.terminal[job.id] = job.status
            else:
                self.terminal.pop(job.id, None)
        self._check_acknowledged()

    def _check_acknowledged(self) -> None:
        for job_id in self.acknowledged:
            if f"fluxkeep:job:{job_id}".encode() not in self.redis.data:
                self.violate(f"I1: the acknowledged callback of {job_id} is not on record")

    def _queues(self) -> Queues:
        """The queues of submissions and the sets of slots, as Redis has them."""
        return {
            key.decode(): {member.decode(): score for member, score in value.items()}
            for key, value in self.redis.data.items()
            if key.startswith((QUEUE_PREFIX.encode(), ACTIVE.encode(), IN_FLIGHT.encode()))
        }

    def _check_writer(self, job: Job) -> None:
        """Only the worker with the latest claim may end a job by its own word."""
        token, holder = self._holders.get(job.id, (0, ""))
        if job.lease.fencing_token != token:
            self._holders[job.id] = job.lease.fencing_token, self._writer
        claimed_at = job.lease.fencing_token / 1e6
        died_at = self.scheduler.killed_at.get(holder, 0.0)
        back_at = START + self.faults.outage[1] if self.faults.outage else 0.0
        sweep_stops = self.scheduler.stall_seconds * self.faults.stalls
        is_over = self.scheduler.now > max(died_at, back_at) + TAKEN_OVER_SECONDS + sweep_stops
        if job.lease.lease_until and died_at >= claimed_at and is_over:
            self.violate(f"I7: {holder} died with job {job.id}, and no worker takes it over")
        ends = job.status in ("stored", "expired") and job.id not in self.terminal
        is_known = bool(holder) or not self.failed_over
        is_by_worker = self._writer.startswith("worker")
        if ends and is_known and is_by_worker and self._writer != holder:
            self.violate(f"I8: {self._writer} ended job {job.id}, which {holder} has claimed")

    def violate(self, text: str) -> None:
        """Note that an invariant is broken."""
        if text not in self.violations:
            self.violations.append(text)

    def jobs(self) -> Iterator[Job]:
        """All jobs on record."""
        for key, value in list(self.redis.data.items()):
            if key.startswith(b"fluxkeep:job:"):
                yield boundaries.decode(value)

    # The run.

    def run(self) -> Outcome:
        """Let everything happen until long after each job's deadline; check what is left."""
        random.seed(1)
        with boundaries.simulated_time(self.scheduler), boundaries.simulated_download(self.bfl):
            self._start()
            try:
                self.scheduler.run(self.ends_at, self._is_over)
            finally:
                self.scheduler.close()
        self._observe()
        if not self.violations:
            self._check_end()
        return Outcome(self, self.chooser.seed, self.scheduler.trace, self.chooser.taken)

    @property
    def ends_at(self) -> float:
        return START + HORIZON_SECONDS

    def _is_over(self) -> bool:
        """All jobs have ended and late workers had time to come back, or an invariant is broken."""
        if self.violations:
            return True
        if not self.terminal.keys() | self.deleted >= {*self.job_ids}:
            self._ended_at = self.scheduler.now
            return False
        settle_seconds = SETTLE_AFTER_DELETION_SECONDS if self.deleted else SETTLE_SECONDS
        return self.scheduler.now > self._ended_at + settle_seconds

    def _start(self) -> None:
        if self.models:
            for job_id, model in zip(self.job_ids, self.models, strict=True):
                self._add(f"app {job_id}", processes.submitter, job_id, model)
        else:
            self._announce("task-1")
        if self.faults.deleted_at is not None:
            self._add("operator", processes.operator, at=self.faults.deleted_at)
        if self.faults.replays:
            self._add("operator", processes.replayer)
        for n in range(self.workers):
            self._add(f"worker {n}", processes.worker, restart=2.0)
        self._add("sweep", processes.sweeper, restart=2.0)

    def _announce(self, task_id: str) -> None:
        """A task that an app has submitted itself."""
        self.bfl.tasks[task_id] = Task(task_id, task_id, START)
        self.call_back(self.bfl.tasks[task_id])
        self._add(f"app {task_id}", processes.announcer, task_id)

    def call_back(self, task: Task) -> None:
        """Start BFL's callbacks about a task, the first a second after it is ready."""
        is_early = len(self.bfl.tasks) <= self.faults.first_callbacks
        is_lost = self.faults.lost_callbacks and not is_early
        copies = 0 if is_lost else 1 + self.faults.duplicates
        for n in range(copies):
            at = task.ready_at - START + 1.0 + n
            self._add(f"web {task.id} {n}", processes.caller, task, at=at)

    def _add(
        self, name: str, run: Any, *args: Any, at: float = 0.0, restart: float | None = None
    ) -> None:
        self.scheduler.add(Process(name, partial(run, self, *args), restart, START + at))

    # What is checked when all is over.

    def _check_end(self) -> None:
        found = {job.id: job for job in self.jobs()}
        for job_id in self.job_ids:
            job = found.get(job_id)
            if job_id in self.deleted:
                if job is not None:
                    self.violate(f"I12: job {job_id} was deleted and is on record again")
                checks.check_nothing_is_left(self, job_id)
            elif job is None:
                # A failover may lose it, and whether it was acknowledged before.
                if not self.failed_over or job_id in self.acknowledged:
                    self.violate(f"I2: job {job_id} has no record in the end")
            elif not job.status.terminal:
                self.violate(f"I6: job {job_id} is {job.status} in the end")
            elif job.status == "stored":
                checks.check_objects(self, job)
            elif self.published.get(job_id, job.end) < job.end - TAKEN_OVER_SECONDS:
                self.violate(f"I22: job {job_id} is {job.status}, and its media are there")
            elif not checks.may_fail(self, job):
                self.violate(f"I21: job {job_id} ended as {job.status}: {job.error}")

    # The storage.

    def storage_step(self, name: str) -> None:
        self.scheduler.step(f"storage {name}")
        if self._storage_errors and name in ("publish", "write"):
            self._storage_errors -= 1
            raise StorageError("refused")

    def kill_after_publishing(self) -> None:
        """Sometimes kill the worker whose object is there by now."""
        if not self._kills_after_publishing:
            return
        if self.chooser.choose(2, weight=KILL_AFTER_PUBLISHING_WEIGHT):
            self._kills_after_publishing -= 1
            self.scheduler.trace.append(f"{self.scheduler.now:.3f} it is killed: it has published")
            self.scheduler.kill(self.scheduler.current)
