"""One worker in this process and its submission queue."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jobs import services as wiring
from jobs.config.settings import load
from jobs.domain import submission
from jobs.domain.job import Job
from jobs.domain.record import MediaFile, Request
from jobs.services import Services
from jobs.store.keys import CIRCUITS, INPUT_PREFIX
from tests.harness import RedisServer
from tests.harness.required_settings import SECRETS
from tests.harness.worker_environment import process_one
from tests.sandbox import Sandbox
from worker.claim import HeldClaim

BASE = {**SECRETS, "MAX_ACTIVE": "2,small=1", "WORKER_CONCURRENCY": "1"}
KEY = "bfl-key-canary-71f0"
INPUT: dict[str, Any] = {"prompt": "a", "sandbox": {"callback": "never", "seconds": 0}}


class LocalWorker:
    """A line, and the worker in front of it."""

    def __init__(self, services: Services, sandbox: Sandbox) -> None:
        self.services, self.sandbox = services, sandbox
        sandbox.settings.any_model = True  # "small" and "large"
        self.redis: Any = services.redis
        self.queue = services.submission_queue

    def post(self, job_id: str, model: str = "large", given: Mapping[str, Any] = INPUT) -> None:
        def begin(job: Job | None, now: float) -> Job:
            return job or submission.create(job_id, model, now, Request(kept_input=given))

        self.services.store.update(job_id, begin, new=True)

    def post_as_earlier(self, job_id: str, request: bytes) -> None:
        """As a version did it whose queue held the requests themselves."""

        def begin(job: Job | None, now: float) -> Job:
            details = Request(input_bytes=len(request))
            return job or submission.create(job_id, "large", now, details)

        self.redis.set(INPUT_PREFIX + job_id, request)
        self.services.store.update(job_id, begin, new=True)

    def lose_input(self, job_id: str) -> None:
        """The storage has lost the only object of its input."""
        lost = MediaFile(key="gone", content_type="image/png", bytes=1, sha256="0" * 64)

        def name(job: Job | None, _now: float) -> Job | None:
            return job and job.with_request(kept_input={"a": "input:0"}, input_files=(lost,))

        self.services.store.update(job_id, name)

    def work(self, times: int = 1) -> None:
        """One piece of work, or several."""
        for _ in range(times):
            process_one(self.services)

    def admit(self) -> HeldClaim:
        found = self.queue.next()
        claim = HeldClaim.admit(self.services, found) if found else None
        assert claim
        return claim

    def next(self) -> str | None:
        found = self.queue.next(peek=True)
        return found.job_id if found else None

    def job(self, job_id: str) -> Job:
        job = self.services.store.load(job_id)
        assert job is not None
        return job

    def rq_jobs(self) -> int:
        return int(self.redis.llen(self.services.rq_queue.queue_key))

    def without_rq_jobs(self) -> None:
        self.redis.delete(self.services.rq_queue.queue_key)

    def circuits(self) -> dict[str, float]:
        """Remaining seconds of the open circuits, by scope."""
        now = self.services.store.now()
        return {circuit.scope: circuit.until - now for circuit in self.queue.open_circuits()}

    def close_circuits(self) -> None:
        """Their time is over; the next job is a probe."""
        for circuit in self.queue.open_circuits():
            rest = json.dumps([circuit.since, circuit.attempts, circuit.reason])
            self.redis.hset(CIRCUITS, circuit.scope, f"1.000 {rest}")

    def posts(self) -> int:
        return len([seen for seen in self.sandbox.requests if seen.method == "POST"])


def built(redis_server: RedisServer, tmp_path: Path, **more: str) -> Services:
    media = {"MEDIA_URL": (tmp_path / "media").as_uri()}
    return wiring.Services(load(BASE | media | more), redis_server.client())


def submission_body(**switches: Any) -> dict[str, Any]:
    return {"prompt": "a", "sandbox": {"callback": "never", **switches}}
