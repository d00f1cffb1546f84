"""A worker in the process of a test, against a sandbox of BFL."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

from redis import Redis

from jobs import ingest
from jobs.domain import submission
from jobs.domain.bfl_report import Report
from jobs.domain.job import Job
from jobs.domain.job_record import MediaFile, Request
from jobs.domain.status import ReportKind, Source, Status
from jobs.services import Services
from jobs.storage.local import LocalStorage
from jobs.store.redis.keys import CIRCUITS
from jobs.store.rq_queue import QUEUE_KEY
from tests.harness.parts import services_over
from tests.harness.patience import wait_for
from tests.sandbox import Sandbox, Task
from worker import poll
from worker.claim import HeldClaim
from worker.dispatcher import JobDispatcher
from worker.sweep import sweep

KEY = "bfl-key-canary-71f0"
INPUT: dict[str, Any] = {"prompt": "a", "sandbox": {"callback": "never", "seconds": 0}}


class LocalWorker:
    """Where a worker does its turns."""

    def __init__(self, services: Services, sandbox: Sandbox) -> None:
        self.services, self.sandbox = services, sandbox
        self.store, self.storage = services.store, services.storage
        self.timeouts = services.settings.timeouts
        sandbox.settings.any_model = True  # "small" and "large"
        self.redis: Any = services.redis
        self.queue = services.submission_queue

    @classmethod
    def over(cls, redis: Redis, sandbox: Sandbox, directory: Path, **extra: str) -> Self:
        own = {"BFL_SANDBOX_URL": sandbox.setting, "MEDIA_URL": (directory / "media").as_uri()}
        return cls(services_over(redis, **({"BFL_API_KEY": KEY} | own | extra)), sandbox)

    @property
    def media_root(self) -> Path:
        assert isinstance(self.storage, LocalStorage)
        return self.storage.root

    def finished(self, **switches: Any) -> Task:
        """A task that BFL is done with; nobody was called."""
        task = self.sandbox.submit(switches={"seconds": 0, "callback": "never", **switches})
        wait_for("BFL is done", lambda: self.sandbox.task(task.id).finished_at)
        return task

    def unclear(self, task: Task) -> None:
        """A callback that has BFL asked at once."""
        report = Report(task_id=task.id, kind=ReportKind.UNCLEAR, source=Source.CALLBACK)
        ingest.apply_report(self.store, report, self.timeouts)

    def ready(self, **switches: Any) -> Task:
        """A task whose URLs are known and wait for a worker."""
        task = self.finished(**switches)
        self.unclear(task)
        claim = HeldClaim.acquire(self.store, task.id, takes_rq_job=True)
        assert claim is not None
        poll.poll_job(self.services, claim)
        assert self.job(task).status is Status.READY
        return task

    def claim(self, task: Task) -> HeldClaim:
        """A worker takes the job, and nothing more."""
        claim = HeldClaim.acquire(self.store, task.id)
        assert claim is not None
        return claim

    def work(self, times: int = 1, *, draws: bool = False) -> bool:
        """Pieces of work; with `draws` also the thumbnails, which take long, when nothing waits.

        Returns whether the last piece was there to do.
        """
        dispatcher = JobDispatcher(self.services)
        found = [dispatcher.process_next() for _ in range(times)]
        while draws and dispatcher.make_thumbnails():
            pass
        return found[-1]

    def job(self, job: Task | str) -> Job:
        """A job by its id, or that of a task."""
        found = self.store.load(job if isinstance(job, str) else job.id)
        assert found is not None
        return found

    def polls(self, task: Task) -> int:
        return self.sandbox.task(task.id).polls

    def downloads(self, task: Task) -> int:
        return len(self.sandbox.task(task.id).deliveries)

    def die_with(self, claim: HeldClaim) -> None:
        """The worker is gone, its lease runs out and the sweep sees it."""
        past = self.store.now() - 1
        self.store.change(
            claim.job.id,
            lambda job, _now: job.with_lease(lease_until=past).with_polling(next_check_at=past),
        )
        sweep(self.services)

    def thumbnails(self, task: Task) -> list[MediaFile | None]:
        return [file.thumbnail for file in self.job(task).media]

    # Submissions.

    def post(self, job_id: str, model: str = "large", given: Mapping[str, Any] = INPUT) -> None:
        def begin(job: Job | None, now: float) -> Job:
            return job or submission.create(job_id, model, now, Request(kept_input=given))

        self.store.update(job_id, begin, assumes_new=True)

    def lose_input(self, job_id: str, key: str = "gone") -> None:
        """The storage has lost the only object of its input; a NUL in its key is an error there."""
        lost = MediaFile(key=key, content_type="image/png", bytes=1, sha256="0" * 64)
        request = {"kept_input": {"a": "input:0"}, "input_files": (lost,)}
        self.store.change(job_id, lambda job, _now: job.with_request(**request))

    def admit(self) -> HeldClaim:
        found = self.queue.next()
        claim = HeldClaim.admit(self.services, found) if found else None
        assert claim
        return claim

    def next(self) -> str | None:
        found = self.queue.next(peek=True)
        return found.job_id if found else None

    def rq_jobs(self) -> int:
        return int(self.redis.llen(QUEUE_KEY))

    def without_rq_jobs(self) -> None:
        self.redis.delete(QUEUE_KEY)

    def circuits(self) -> dict[str, float]:
        """Remaining seconds of the open circuits, by scope."""
        now = self.store.now()
        return {circuit.scope: circuit.until - now for circuit in self.queue.open_circuits()}

    def close_circuits(self) -> None:
        """Their time is over; the next job is a probe."""
        for circuit in self.queue.open_circuits():
            rest = json.dumps([circuit.since, circuit.attempts, circuit.reason])
            self.redis.hset(CIRCUITS, circuit.scope, f"1.000 {rest}")

    def posts(self) -> int:
        return len([seen for seen in self.sandbox.requests if seen.method == "POST"])


def submission_body(**switches: Any) -> dict[str, Any]:
    return {"prompt": "a", "sandbox": {"callback": "never", **switches}}
