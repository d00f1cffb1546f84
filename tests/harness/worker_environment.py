"""A worker in the process of a test, against a sandbox of BFL."""

from pathlib import Path
from typing import Any, Self

from redis import Redis

from jobs import ingest
from jobs.config import settings
from jobs.domain.job import Job
from jobs.domain.record import MediaFile
from jobs.domain.report import Report
from jobs.domain.status import ReportKind, Source, Status
from jobs.services import Services
from jobs.storage.local import LocalStorage
from tests.harness.patience import wait_for
from tests.harness.required_settings import SECRETS
from tests.sandbox import Sandbox, Task
from worker import poll
from worker.claim import HeldClaim
from worker.dispatcher import JobDispatcher
from worker.sweep import sweep


def process_one(services: Services) -> bool:
    """One thread of a worker does one piece of work; it makes no thumbnails, which take long."""
    return JobDispatcher(services).process_next()


class WorkerEnvironment:
    """Where a worker does its turns."""

    def __init__(self, services: Services, sandbox: Sandbox) -> None:
        self.services, self.sandbox = services, sandbox

    @classmethod
    def over(cls, redis: Redis, sandbox: Sandbox, directory: Path, **extra: str) -> Self:
        environment = {
            **SECRETS,
            "BFL_API_KEY": "k",
            "BFL_SANDBOX_URL": sandbox.url,
            "MEDIA_URL": (directory / "media").as_uri(),
            **extra,
        }
        return cls(Services(settings.load(environment), redis), sandbox)

    @property
    def media_root(self) -> Path:
        assert isinstance(self.services.storage, LocalStorage)
        return self.services.storage.root

    def finished(self, **switches: Any) -> Task:
        """A task that BFL is done with; nobody was called."""
        task = self.sandbox.submit(switches={"seconds": 0, "callback": "never", **switches})
        wait_for("BFL is done", lambda: self.sandbox.task(task.id).finished_at)
        return task

    def unclear(self, task: Task) -> None:
        """A callback that has BFL asked at once."""
        report = Report(task_id=task.id, kind=ReportKind.UNCLEAR, source=Source.CALLBACK)
        ingest.apply_report(self.services.store, report, self.services.settings.timeouts)

    def ready(self, **switches: Any) -> Task:
        """A task whose URLs are known and wait for a worker."""
        task = self.finished(**switches)
        self.unclear(task)
        claim = HeldClaim.acquire(self.services.store, task.id, takes_rq_job=True)
        assert claim is not None
        poll.poll_job(self.services, claim)
        assert self.job(task).status is Status.READY
        return task

    def claim(self, task: Task) -> HeldClaim:
        """A worker takes the job, and nothing more."""
        claim = HeldClaim.acquire(self.services.store, task.id)
        assert claim is not None
        return claim

    def take(self, _task: Task, *, draws: bool = False) -> bool:
        """One piece of work, and with `draws` the thumbnails, when nothing else waits."""
        found = process_one(self.services)
        dispatcher = JobDispatcher(self.services)
        while draws and dispatcher.make_thumbnails():
            pass
        return found

    def job(self, task: Task) -> Job:
        job = self.services.store.load(task.id)
        assert job is not None
        return job

    def polls(self, task: Task) -> int:
        return self.sandbox.task(task.id).polls

    def downloads(self, task: Task) -> int:
        return len(self.sandbox.task(task.id).deliveries)

    def die_with(self, claim: HeldClaim) -> None:
        """The worker is gone, its lease runs out and the sweep sees it."""

        def a_lease_later(job: Job | None, now: float) -> Job | None:
            return job and job.with_claim(lease_until=now - 1).with_polling(next_check_at=now - 1)

        self.services.store.update(claim.job.id, a_lease_later)
        sweep(self.services)

    def thumbnails(self, task: Task) -> list[MediaFile | None]:
        return [file.thumbnail for file in self.job(task).media]
