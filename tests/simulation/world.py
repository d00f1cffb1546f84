"""A whole installation over models: web, workers, sweep, BFL and storage in one thread."""

import json
import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

from redis.exceptions import ConnectionError as RedisConnectionError

from jobs import services
from jobs.bfl.client import BflResponse
from jobs.errors import StorageError, UrlExpired
from jobs.job import Job
from jobs.services import Services
from jobs.storage.layout import companion_keys
from tests.simulation import processes
from tests.simulation.boundaries import (
    SimulatedBfl,
    SteppedStorage,
    decode,
    load_test_settings,
    sha256,
    simulated_download,
    simulated_time,
)
from tests.simulation.connection import client
from tests.simulation.redis_model import Flaws, RedisModel
from tests.simulation.scheduler import Chooser, Process, Scheduler
from worker import download

START = 1_790_000_000.0
URL_SECONDS = 600.0
HORIZON_SECONDS = 3 * 3600.0
SETTLE_SECONDS = 240.0  # longer than stalled processes sleep and left objects stay
TAKEN_OVER_SECONDS = 180.0  # a lease, a stall of the sweep, and a minute without Redis


@dataclass(frozen=True)
class Faults:
    """Faults of a run, and how often each occurs."""

    kills: int = 0
    stalls: int = 0
    outage: tuple[float, float] | None = None  # Redis is away: from, to (seconds after the start)
    failover_at: float | None = None  # Redis loses its last second
    storage_errors: int = 0
    download_seconds: float = 0.0  # without a renewal: longer than a lease is a stalled worker
    lost_callbacks: bool = False
    duplicates: int = 0
    deleted_at: float | None = None  # an operator deletes the jobs


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

    chooser: Chooser
    faults: Faults = field(default_factory=Faults)
    tasks: tuple[str, ...] = ("task-1",)
    workers: int = 2
    flaws: Flaws = field(default_factory=Flaws)

    def __post_init__(self) -> None:
        f = self.faults
        self.scheduler = Scheduler(self.chooser, START, kills=f.kills, stalls=f.stalls)
        self.redis = RedisModel(START, flaws=self.flaws)
        self.media = services.build_storage(load_test_settings())
        self.acknowledged: set[str] = set()
        self.deleted: set[str] = set()
        self.terminal: dict[str, str] = {}
        self.violations: list[str] = []
        self._snapshots: list[tuple[float, Any]] = []
        self._storage_errors = f.storage_errors
        self._failed_over = False
        self._holders: dict[str, tuple[int, str]] = {}
        self._writer = ""
        self._ended_at = START

    # Parts of one process.

    def services(self) -> Services:
        """The real services of a process, its connections leading to the models."""
        redis = client(self.redis, self._before)
        built = services.Services(load_test_settings(), redis)
        replaced: Any = built
        replaced.storage = SteppedStorage(self, self.media)
        replaced.bfl = SimulatedBfl(self, built.bfl)
        return built

    def _before(self, words: list[bytes]) -> None:
        self.scheduler.step(self.redis.describe(words))
        self.redis.now = self.scheduler.now
        since = self.scheduler.now - START
        if self.faults.outage and self.faults.outage[0] <= since < self.faults.outage[1]:
            raise RedisConnectionError("away")
        self._fail_over(since)
        self._observe()
        self._writer = self.scheduler.current

    def _fail_over(self, since: float) -> None:
        if self.faults.failover_at is None or self._failed_over:
            return
        self._snapshots.append((since, self.redis.snapshot()))
        if since >= self.faults.failover_at:
            kept = [one for at, one in self._snapshots if at <= since - 1.0] or [([], {})]
            self.redis.restore(kept[-1] if kept[-1][0] else self._snapshots[0][1])
            self._failed_over = True
            self.terminal.clear()
            self._holders.clear()
            self.acknowledged.clear()
            self.scheduler.trace.append(f"{self.scheduler.now:.3f} Redis loses its last second")

    # Invariants that must hold after every step.

    def _observe(self) -> None:
        due = self.redis.data.get(b"fluxkeep:due", {})
        for job in self.jobs():
            if not job.status.terminal and job.id.encode() not in due:
                self._violate(f"I3: job {job.id} is {job.status} and not in due")
            self._check_writer(job)
            before = self.terminal.get(job.id)
            if before is not None and before != job.status:
                self._violate(f"I5: job {job.id} went from {before} to {job.status}")
            if job.status.terminal:
                self.terminal[job.id] = job.status
        for task in self.acknowledged:
            if f"fluxkeep:job:{task}".encode() not in self.redis.data:
                self._violate(f"I1: the acknowledged callback of {task} is not on record")

    def _check_writer(self, job: Job) -> None:
        """Only the worker with the latest claim may end a job by its own word."""
        token, holder = self._holders.get(job.id, (0, ""))
        if job.check.fencing_token != token:
            self._holders[job.id] = job.check.fencing_token, self._writer
        claimed_at = job.check.fencing_token / 1e6
        died_at = self.scheduler.killed_at.get(holder, 0.0)
        is_over = self.scheduler.now > died_at + TAKEN_OVER_SECONDS
        if job.check.lease_until and died_at >= claimed_at and is_over:
            self._violate(f"I7: {holder} died with job {job.id}, and no worker takes it over")
        ends = job.status in ("stored", "expired") and job.id not in self.terminal
        if ends and self._writer.startswith("worker") and self._writer != holder:
            self._violate(f"I8: {self._writer} ended job {job.id}, which {holder} has claimed")

    def _violate(self, text: str) -> None:
        if text not in self.violations:
            self.violations.append(text)

    def jobs(self) -> Iterator[Job]:
        """All jobs on record."""
        for key, value in list(self.redis.data.items()):
            if key.startswith(b"fluxkeep:job:"):
                yield decode(value)

    # The run.

    def run(self) -> Outcome:
        """Let everything happen until long after each job's deadline; check what is left."""
        random.seed(1)
        with simulated_time(self.scheduler), simulated_download(self):
            self._start()
            self.scheduler.run(START + HORIZON_SECONDS, self._is_over)
        self._observe()
        if not self.violations:
            self._check_end()
        return Outcome(self, self.chooser.seed, self.scheduler.trace, self.chooser.taken)

    def _is_over(self) -> bool:
        """All jobs have ended and late workers had time to come back, or an invariant is broken."""
        if self.violations:
            return True
        ended = {job.id for job in self.jobs() if job.status.terminal} | self.deleted
        if len(ended) < len(self.tasks):
            self._ended_at = self.scheduler.now
            return False
        return self.scheduler.now > self._ended_at + SETTLE_SECONDS

    def _start(self) -> None:
        for task in self.tasks:
            copies = 0 if self.faults.lost_callbacks else 1 + self.faults.duplicates
            for n in range(copies):
                run = processes.caller(self, task)
                self.scheduler.add(Process(f"web {task} {n}", run, wakes_at=START + 1 + n))
            self.scheduler.add(
                Process(f"app {task}", processes.announcer(self, task), wakes_at=START)
            )
        if self.faults.deleted_at is not None:
            at = START + self.faults.deleted_at
            self.scheduler.add(Process("operator", partial(processes.operator, self), wakes_at=at))
        for n in range(self.workers):
            self.scheduler.add(
                Process(f"worker {n}", processes.worker(self), restart=2.0, wakes_at=START)
            )
        self.scheduler.add(Process("sweep", processes.sweeper(self), restart=2.0, wakes_at=START))

    # What is checked when all is over.

    def _check_end(self) -> None:
        found = {job.id: job for job in self.jobs()}
        for task in self.tasks:
            job = found.get(task)
            if task in self.deleted:
                if job is not None:
                    self._violate(f"I12: job {task} was deleted and is on record again")
            elif job is None:
                self._violate(f"I2: job {task} has no record in the end")
            elif not job.status.terminal:
                self._violate(f"I6: job {task} is {job.status} in the end")
            elif job.status == "stored":
                self._check_objects(job)
            elif not self._may_fail():
                self._violate(f"I21: job {task} ended as {job.status}: {job.error}")

    def _check_objects(self, job: Job) -> None:
        for file in job.present_media:
            if self.media.size(file.key) != file.bytes:
                self._violate(f"I10: job {job.id} is stored and its object {file.key} is not there")
        named = {
            each for file in job.present_media for each in (file.key, *companion_keys(file.key))
        }
        found = {one.key for one in self.media.list_job_objects(job.id, job.created_at)}
        if found - named and not self._failed_over:  # which may take claims back
            self._violate(f"I9: job {job.id} does not name {sorted(found - named)}")

    def _may_fail(self) -> bool:
        return self.faults.outage is not None and self.faults.outage[1] > URL_SECONDS / 2

    # BFL.

    def message(self, task: str) -> bytes:
        """BFL's final message about a task."""
        at = datetime.fromtimestamp(START + URL_SECONDS, UTC).strftime("%Y-%m-%dT%H%%3A%M%%3A%SZ")
        url = f"https://delivery.eu1.bfl.ai/{task}/sample.jpeg?se={at}&sig=s"
        message = {"id": task, "status": "Ready", "result": {"sample": url}}
        return json.dumps(message).encode()

    def answer_poll(self) -> BflResponse:
        """BFL's answer to a poll."""
        self.scheduler.step("GET get_result")
        return BflResponse(200, None, self.message(self.tasks[0]))

    def download(self, path: Path) -> download.Download:
        """A picture from BFL's delivery host. Raises UrlExpired, TransferFailed."""
        self.scheduler.step("GET sample")
        if self.scheduler.now > START + URL_SECONDS:
            raise UrlExpired("the delivery host answered 403")
        body = b"\xff\xd8" + b"picture" * 10 + b"\xff\xd9"
        path.write_bytes(body)
        if self.faults.download_seconds:
            self.scheduler.sleep(self.faults.download_seconds)
        self.scheduler.step("downloaded")
        return download.Download("image/jpeg", len(body), sha256(body))

    def storage_step(self, name: str) -> None:
        self.scheduler.step(f"storage {name}")
        if self._storage_errors and name in ("publish", "write"):
            self._storage_errors -= 1
            raise StorageError("refused")
