"""A whole installation over models: web, workers, sweep, BFL and storage in one thread."""

import hashlib
import json
import logging
import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import cache, lru_cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from redis.exceptions import ConnectionError as RedisConnectionError

import jobs.store.clock
import jobs.store.rq_queue
import worker.claim
import worker.rescue
from jobs import ingest, services
from jobs.bfl import parsing
from jobs.bfl.client import BflResponse
from jobs.config import settings
from jobs.errors import StorageError, StoreUnavailable, UnknownJob, UrlExpired
from jobs.job import Job
from jobs.services import Services
from jobs.store import codec
from receiver.api.job_actions import delete_job
from tests.simulation.connection import client
from tests.simulation.redis_model import Flaws, RedisModel
from tests.simulation.scheduler import Chooser, Process, Scheduler
from worker import download
from worker.dispatcher import Dispatcher
from worker.sweep import sweep

START = 1_790_000_000.0
URL_SECONDS = 600.0
HORIZON_SECONDS = 3 * 3600.0
SETTLE_SECONDS = 70.0  # longer than a stalled process sleeps
IDLE_SECONDS = 5.0
CALLBACK_PAUSES = (1.0, 5.0, 30.0)  # BFL repeats a callback after these
SECRET = "webhook-secret-of-tests"


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
        self.media = services.build_storage(_settings())
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
        built = services.build(_settings(), redis)
        media: Any = _SteppedMedia(self, self.media)
        api: Any = _Api(self, built.bfl)
        return replace(built, storage=media, bfl=api)

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
                self._violate(f"job {job.id} is {job.status} and not in due")
            self._check_writer(job)
            before = self.terminal.get(job.id)
            if before is not None and before != job.status:
                self._violate(f"job {job.id} went from {before} to {job.status}")
            if job.status.terminal:
                self.terminal[job.id] = job.status
        for task in self.acknowledged:
            if f"fluxkeep:job:{task}".encode() not in self.redis.data:
                self._violate(f"the acknowledged callback of {task} is not on record")

    def _check_writer(self, job: Job) -> None:
        """Only the worker with the latest claim may end a job by its own word."""
        token, holder = self._holders.get(job.id, (0, ""))
        if job.check.fencing_token != token:
            self._holders[job.id] = job.check.fencing_token, self._writer
        ends = job.status in ("stored", "expired") and job.id not in self.terminal
        if ends and self._writer.startswith("worker") and self._writer != holder:
            self._violate(f"{self._writer} ended job {job.id}, which {holder} has claimed")

    def _violate(self, text: str) -> None:
        if text not in self.violations:
            self.violations.append(text)

    def jobs(self) -> Iterator[Job]:
        """All jobs on record."""
        for key, value in list(self.redis.data.items()):
            if key.startswith(b"fluxkeep:job:"):
                yield _decode(value)

    # The run.

    def run(self) -> Outcome:
        """Let everything happen until long after each job's deadline; check what is left."""
        random.seed(1)
        with _simulated_time(self.scheduler), _simulated_download(self):
            self._start()
            self.scheduler.run(START + HORIZON_SECONDS, self._is_over)
        self._observe()
        self._check_end()
        return Outcome(self, self.scheduler.trace, self.chooser.taken)

    def _is_over(self) -> bool:
        """All jobs have ended, and a while has passed in which a late worker may come back."""
        ended = {job.id for job in self.jobs() if job.status.terminal} | self.deleted
        if len(ended) < len(self.tasks):
            self._ended_at = self.scheduler.now
            return False
        return self.scheduler.now > self._ended_at + SETTLE_SECONDS

    def _start(self) -> None:
        for task in self.tasks:
            copies = 0 if self.faults.lost_callbacks else 1 + self.faults.duplicates
            for n in range(copies):
                run = self._caller(task)
                self.scheduler.add(Process(f"web {task} {n}", run, wakes_at=START + 1 + n))
            self.scheduler.add(Process(f"app {task}", self._announcer(task), wakes_at=START))
        if self.faults.deleted_at is not None:
            at = START + self.faults.deleted_at
            self.scheduler.add(Process("operator", self._operator, wakes_at=at))
        for n in range(self.workers):
            self.scheduler.add(Process(f"worker {n}", self._worker(), restart=2.0, wakes_at=START))
        self.scheduler.add(Process("sweep", self._sweeper(), restart=2.0, wakes_at=START))

    def _caller(self, task: str) -> Callable[[], None]:
        """BFL's callback: repeated until it is answered with 2xx, or abandoned."""

        def run() -> None:
            for pause in (0.0, *CALLBACK_PAUSES):
                self.scheduler.sleep(pause)
                with suppress(StoreUnavailable, UnknownJob):
                    wired = self.services()
                    report = parsing.parse_callback(self._message(task))
                    ingest.apply_report(wired.store, report, wired.settings.timeouts)
                    if task not in self.deleted:
                        self.acknowledged.add(task)
                    return

        return run

    def _announcer(self, task: str) -> Callable[[], None]:
        """PUT /api/jobs/<task>, repeated until it is on record."""

        def run() -> None:
            wired = self.services()

            def expect(job: Job | None, now: float) -> Job:
                return job or Job.expected(task, now, wired.settings.timeouts)

            for _ in range(100):
                try:
                    wired.store.update(task, expect)
                except StoreUnavailable:
                    self.scheduler.sleep(5.0)
                else:
                    return

        return run

    def _operator(self) -> None:
        """DELETE /api/jobs/<id>, repeated until it is done."""
        wired = self.services()
        for task in self.tasks:
            while True:
                try:
                    job = wired.store.load(task)
                    if job:
                        delete_job(wired, job)
                except (StoreUnavailable, StorageError):
                    self.scheduler.sleep(5.0)
                else:
                    break
            self.acknowledged.discard(task)
            self.terminal.pop(task, None)
            self.deleted.add(task)

    def _worker(self) -> Callable[[], None]:
        def run() -> None:
            dispatcher = Dispatcher(self.services())
            while True:
                try:
                    claim = dispatcher._claim_next()  # noqa: SLF001 - without the threads around it
                    if claim is not None:
                        dispatcher._process(claim)  # noqa: SLF001
                        continue
                except StoreUnavailable:
                    pass
                self.scheduler.sleep(IDLE_SECONDS)

        return run

    def _sweeper(self) -> Callable[[], None]:
        def run() -> None:
            wired = self.services()
            while True:
                pause = 5.0
                with suppress(StoreUnavailable):
                    pause = sweep(wired)
                self.scheduler.sleep(max(pause, 1.0))

        return run

    # What is checked when all is over.

    def _check_end(self) -> None:
        found = {job.id: job for job in self.jobs()}
        for task in self.tasks:
            job = found.get(task)
            if task in self.deleted:
                if job is not None:
                    self._violate(f"job {task} was deleted and is on record again")
            elif job is None:
                self._violate(f"job {task} has no record in the end")
            elif not job.status.terminal:
                self._violate(f"job {task} is {job.status} in the end")
            elif job.status == "stored":
                self._check_objects(job)
            elif not self._may_fail():
                self._violate(f"job {task} ended as {job.status}: {job.error}")

    def _check_objects(self, job: Job) -> None:
        for file in job.present_media:
            if self.media.size(file.key) != file.bytes:
                self._violate(f"job {job.id} is stored and its object {file.key} is not there")

    def _may_fail(self) -> bool:
        return self.faults.outage is not None and self.faults.outage[1] > URL_SECONDS / 2

    # BFL.

    def _message(self, task: str) -> bytes:
        at = datetime.fromtimestamp(START + URL_SECONDS, UTC).strftime("%Y-%m-%dT%H%%3A%M%%3A%SZ")
        url = f"https://delivery.eu1.bfl.ai/{task}/sample.jpeg?se={at}&sig=s"
        message = {"id": task, "status": "Ready", "result": {"sample": url}}
        return json.dumps(message).encode()

    def answer_poll(self) -> BflResponse:
        """BFL's answer to a poll."""
        self.scheduler.step("GET get_result")
        return BflResponse(200, None, self._message(self.tasks[0]))

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
        return download.Download("image/jpeg", len(body), _sha256(body))

    def storage_step(self, name: str) -> None:
        self.scheduler.step(f"storage {name}")
        if self._storage_errors and name in ("publish", "write"):
            self._storage_errors -= 1
            raise StorageError("refused")


class _SteppedMedia:
    """The storage, with a step before each operation."""

    def __init__(self, world: World, media: Any) -> None:
        self._world, self._media = world, media

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._media, name)
        if name == "staging" or not callable(found):
            return found

        def stepped(*args: Any, **options: Any) -> Any:
            self._world.storage_step(name)
            return found(*args, **options)

        return stepped


class _Api:
    """BFL's API as a poll sees it."""

    def __init__(self, world: World, real: Any) -> None:
        self._world = world
        self.origin = real.origin
        self.session = real.session

    def poll(self, _session: Any, _url: str) -> BflResponse:
        return self._world.answer_poll()


@lru_cache(maxsize=100)
def _decode(record: bytes) -> Job:
    return codec.decode(record)


@cache
def _settings() -> settings.Settings:
    return settings.load(_environment())


def _environment() -> dict[str, str]:
    return {
        "WEBHOOK_SECRET": SECRET,
        "SECRET_KEY": "signing-key-of-tests",
        "API_KEYS": "a:admin-key-of-tests:admin",
        "BFL_API_KEY": "bfl-key-of-the-tests",
        "MEDIA_URL": "memory://",
        "PUBLIC_URL": "https://keep.example",
        "WORKER_CONCURRENCY": "1",
    }


@contextmanager
def _simulated_time(scheduler: Scheduler) -> Iterator[None]:
    """Give the modules that read a clock the scheduler's, and silence their logs."""
    clock = SimpleNamespace(
        monotonic=lambda: scheduler.now,
        time=lambda: scheduler.now,
        time_ns=lambda: int(scheduler.now * 1e9),
        sleep=scheduler.sleep,
    )
    modules: list[Any] = [jobs.store.clock, jobs.store.rq_queue, worker.claim, worker.rescue]
    before = [module.time for module in modules]
    logging.disable(logging.CRITICAL)
    try:
        for module in modules:
            module.time = clock
        yield
    finally:
        logging.disable(logging.NOTSET)
        for module, real in zip(modules, before, strict=True):
            module.time = real


@contextmanager
def _simulated_download(world: World) -> Iterator[None]:
    """Replace the transfer over the network, which is the one thing that is not modelled."""
    real = download.download

    def simulated(
        _session: Any, _address: Any, path: Path, *_args: Any, **_options: Any
    ) -> download.Download:
        return world.download(path)

    module: Any = download
    module.download = simulated
    try:
        yield
    finally:
        module.download = real


def _sha256(body: bytes) -> str:
    return hashlib.sha256(body).hexdigest()
