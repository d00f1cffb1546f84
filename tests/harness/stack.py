"""A whole stack for tests: a sandbox of BFL and an installation that it calls back."""

import json
import time
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import requests

from jobs.domain.job import Job
from jobs.store.redis.keys import ACTIVE, CIRCUITS, INPUT_NOTES, QUEUE_PREFIX, QUEUES
from tests.harness.client import Client
from tests.harness.installation import Installation
from tests.harness.installation_state import all_jobs
from tests.harness.invariants import assert_invariants, awaiting_thumbnails
from tests.harness.parts import services_over
from tests.harness.patience import wait_for, wait_for_none
from tests.harness.redis_server import RedisServer
from tests.harness.s3_server import TestBucket
from tests.harness.smallest_inputs import DOCUMENT, smallest_input
from tests.sandbox import Delivery, Request, Sandbox, Task
from tests.sandbox import Settings as SandboxSettings

QUICK_SECONDS = 0.02
UNFINISHED = ("queued", "submitted", "ready")
COMPANIONS = (".json", ".thumb.webp")


class Stack:
    """A sandbox whose tasks call back to an installation."""

    def __init__(self, sandbox: Sandbox, installation: Installation) -> None:
        self.sandbox = sandbox
        self.installation = installation
        self.client: Client = installation.client()

    @property
    def webhook_url(self) -> str:
        return f"{self.installation.url}/webhooks/bfl"

    def generate(
        self, model: str = "flux-2-pro", *, webhook_url: str | None = None, **switches: Any
    ) -> Task:
        """A task that is done in a moment and calls back, even one of a strict model.

        It makes a video unless told otherwise: a thumbnail would cost more than the whole job.
        """
        return self.sandbox.submit(
            model,
            webhook_url=webhook_url or self.webhook_url,
            webhook_secret=self.installation.settings["WEBHOOK_SECRET"],
            switches={"seconds": QUICK_SECONDS, "strict": False, "format": "mp4", **switches},
        )

    def announce(self, task: Task, **body: Any) -> dict[str, Any]:
        """Announce a task, as the caller of BFL does it."""
        answer = self.client.put_job(task.id, **body)
        answer.raise_for_status()
        job: dict[str, Any] = answer.json()
        return job

    def announced(self, model: str = "flux-2-pro", **switches: Any) -> Task:
        """A task that its caller has announced and that never calls back."""
        task = self.generate(model, callback="never", **switches)
        self.announce(task)
        return task

    def finished(self, **switches: Any) -> Task:
        """A task that BFL is done with and has not called back for."""
        task = self.generate(callback="never", **switches)
        wait_for("BFL is done", lambda: self.sandbox.task(task.id).finished_at)
        return task

    def stored(self, task: Task, timeout: float = 20.0) -> dict[str, Any]:
        """The job of a task once it is stored, its bytes compared with those that BFL has."""
        job = self.client.wait_for(task.id, timeout=timeout)
        assert job["status"] == "stored", job
        for n in range(len(job["media"])):
            assert self.client.media(job, n) == self.sandbox.file(task.id, n)
        return job

    def stored_with_thumbnails(self, task: Task, timeout: float = 20.0) -> dict[str, Any]:
        """The job of a task once it is stored and its thumbnails are made, or never will be."""
        self.stored(task, timeout)
        wait_for("its thumbnails", lambda: task.id not in self.awaiting_thumbnails(), timeout)
        return self.client.job(task.id)

    def retry_reason(self, task: Task) -> str:
        """Why the rescue of a job is tried again, once its timeline says so."""

        def reason() -> str | None:
            lines = (self.client.find(task.id) or {"timeline": []})["timeline"]
            retries = [line["detail"] for line in lines if line["event"] == "rescue.retried"]
            return retries[-1]["reason"] if retries else None

        return wait_for("the rescue is put off", reason, 60)

    def awaiting_thumbnails(self) -> list[str]:
        return awaiting_thumbnails(self.installation)

    def expire_leases(self) -> None:
        """Let time pass for all claims: the lease of a worker that died runs out in 30 s."""

        def expire(job: Job, now: float) -> Job:
            if job.lease.lease_until is None:
                return job
            past = now - 1
            return job.with_lease(lease_until=past).with_polling(next_check_at=past)

        with self.installation.redis.client() as redis:
            store = services_over(redis).store
            for job in all_jobs(redis):
                store.change(job.id, expire)

    # What BFL saw.

    def deliveries(self, task: Task) -> list[Delivery]:
        return self.sandbox.task(task.id).deliveries

    def outcomes(self, task: Task, n: int = 1) -> list[int | str]:
        """How the first attempts to call back were answered, once there were `n`."""
        wait_for(f"{n} callbacks", lambda: len(self.sandbox.task(task.id).callbacks) >= n, 45)
        return [callback.outcome for callback in self.sandbox.task(task.id).callbacks]

    def polls(self, task: Task) -> list[Request]:
        asked = [seen for seen in self.sandbox.requests if seen.path == "/v1/get_result"]
        return [seen for seen in asked if f"id={task.id}" in seen.target]

    def wait_for_download(self, task: Task, nth: int = 1) -> None:
        """Returns when the first bytes of the n-th delivery are on their way."""

        def under_way() -> bool:
            found = self.deliveries(task)
            return len(found) >= nth and found[nth - 1].sent > 0

        wait_for(f"download {nth} of {task.id}", under_way, 45)

    def change_switches(self, task: Task, **switches: Any) -> None:
        """Change the switches of a task that exists, for example to end its fault."""

        def change(kept: Task) -> None:
            kept.switches = replace(kept.switches, **switches)

        self.sandbox._engine.store.change(task.id, change)  # noqa: SLF001 - over HTTP it is per callback

    # What is kept.

    def objects(self, task: Task) -> list[Path]:
        """The files of a task, wherever the storage has them."""
        found = self.installation.media.glob(f"*/*/*/{task.id}-*")
        return sorted(path for path in found if not path.name.endswith(COMPANIONS))

    def keys(self, task: Task) -> list[str]:
        """The keys of a task's media, in whatever storage."""
        found = [key for key in self.installation.stored_objects.sizes() if f"/{task.id}-" in key]
        return sorted(key for key in found if not key.endswith(COMPANIONS))

    def staged(self) -> list[Path]:
        """Files that are not verified yet, or were left by somebody who died."""
        return sorted(path for path in (self.installation.media / ".staging").iterdir())

    def settled(self, timeout: float = 60.0, *, idle: bool = True) -> list[Job]:
        """All jobs, once each has ended and the invariants hold."""
        client = self.client
        wait_for_none("every job ends", lambda: client.jobs(status=UNFINISHED, limit=200), timeout)
        if self.installation.worker:
            wait_for_none("every thumbnail is made", self.awaiting_thumbnails, timeout)
        if idle:  # what killed workers staged is deleted once it is a minute old
            stored = self.installation.stored_objects
            wait_for("no file is staged", lambda: not stored.staged(time.time()), 90)
        return assert_invariants(self.installation, idle=idle)

    # Submissions. Each has a prompt of its own, by which BFL's side is found.

    def post(self, body: Any, *, key: str | None = None, scope: str = "submit") -> Any:
        """The answer to `POST /api/jobs`; `key` is the Idempotency-Key."""
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        headers = {"Content-Type": "application/json"} | ({"Idempotency-Key": key} if key else {})
        caller = self.installation.client(scope)
        return caller.request("POST", "/api/jobs", data=raw, headers=headers, timeout=60)

    def request_body(self, model: str = "flux-2-pro", **switches: Any) -> dict[str, Any]:
        """A body with a prompt that nobody else has, and what else the model requires."""
        asked = {"seconds": QUICK_SECONDS, "format": "mp4", **switches}
        required = smallest_input(model) if model in DOCUMENT.models else {}
        own = {"prompt": f"no. {uuid.uuid4()}", "sandbox": asked}
        return {"model": model, "input": required | own}

    def posted(self, model: str = "flux-2-pro", **switches: Any) -> dict[str, Any]:
        """The job as it was answered, with its request under `body`."""
        body = self.request_body(model, **switches)
        answer = self.post(body)
        assert answer.status_code == requests.codes.accepted, answer.text
        job: dict[str, Any] = answer.json()
        return job | {"body": body}

    def ended(self, job: dict[str, Any], timeout: float = 30.0) -> dict[str, Any]:
        return self.client.wait_for(job["id"], timeout=timeout)

    def stored_job(self, job: dict[str, Any], timeout: float = 30.0) -> dict[str, Any]:
        """The job once it is stored, with the bytes that BFL has."""
        found = self.ended(job, timeout)
        assert found["status"] == "stored", found
        assert self.client.media(found) == self.sandbox.file(self.task(job).id)
        return found

    def submitted(self, job: dict[str, Any]) -> dict[str, Any]:
        return self.client.wait_for(job["id"], "submitted")

    def tasks(self, job: dict[str, Any]) -> list[Task]:
        prompt = job["body"]["input"]["prompt"]
        return [task for task in self.sandbox.tasks() if task.input.get("prompt") == prompt]

    def task(self, job: dict[str, Any]) -> Task:
        """The one task of a job, as soon as there is one."""
        (task,) = wait_for("BFL has it", lambda: self.tasks(job))
        return task

    def requests(self, job: dict[str, Any] | None = None) -> list[Request]:
        """The submissions of this job, or of all, whatever was answered."""
        prompt = job["body"]["input"]["prompt"].encode() if job else b""
        posts = [seen for seen in self.sandbox.requests if seen.method == "POST"]
        return [seen for seen in posts if prompt in seen.body]

    # What Redis holds.

    def pauses(self) -> dict[str, str]:
        with self.installation.redis.client() as redis:
            found: Any = redis.hgetall(CIRCUITS)
        return {scope.decode(): value.decode() for scope, value in found.items()}

    def end_circuits(self) -> None:
        """Their time is over; whoever goes next is the probe."""
        with self.installation.redis.client() as redis:
            for scope, value in self.pauses().items():
                redis.hset(CIRCUITS, scope, f"1.000 {value.partition(' ')[2]}")

    def queue_keys(self) -> list[str]:
        """Keys that only unfinished submissions may need."""
        with self.installation.redis.client() as redis:
            patterns = (f"{ACTIVE}*", f"{QUEUE_PREFIX}*", QUEUES)
            return [str(key) for pattern in patterns for key in redis.scan_iter(pattern)]

    def input_notes(self) -> list[Any]:
        """Inputs whose objects may have no record, or are to be deleted."""
        with self.installation.redis.client() as redis:
            found: Any = redis.zrange(INPUT_NOTES, 0, -1)
        return list(found)


def without_links(job: dict[str, Any]) -> str:
    """A job's whole JSON but for the tokens of its links, which are signed anew each time."""
    media = [{**file, "url": "", "thumbnail_url": ""} for file in job["media"]]
    return json.dumps({**job, "media": media}, sort_keys=True)


@contextmanager
def stack_over(
    sandbox: Sandbox, directory: Path, bucket: TestBucket | None, settings: Mapping[str, str]
) -> Iterator[Stack]:
    """BFL and Redis are there, nothing of Fluxkeep runs yet."""
    with (
        RedisServer(directory / "redis") as redis,
        sandbox,
        Installation(directory, redis, sandbox.setting) as installation,
    ):
        if bucket:
            installation.keep_in(bucket)
        installation.settings |= settings
        yield Stack(sandbox, installation)


@contextmanager
def stopped_stack(
    directory: Path,
    sandbox_settings: SandboxSettings | None = None,
    bucket: TestBucket | None = None,
    **settings: str,
) -> Iterator[Stack]:
    """BFL is one host that knows all tasks; nothing of Fluxkeep runs yet."""
    with stack_over(Sandbox(sandbox_settings), directory, bucket, settings) as stack:
        yield stack


@contextmanager
def running_stack(
    directory: Path,
    sandbox_settings: SandboxSettings | None = None,
    bucket: TestBucket | None = None,
    **settings: str,
) -> Iterator[Stack]:
    """Everything runs and is ready."""
    with stopped_stack(directory, sandbox_settings, bucket, **settings) as stack:
        start(stack)
        yield stack


@contextmanager
def stack_with_clusters(directory: Path, clusters: int, **settings: str) -> Iterator[Stack]:
    """Everything runs; BFL's global host knows no task of its clusters."""
    with stack_over(Sandbox(clusters=clusters), directory, None, settings) as stack:
        start(stack)
        yield stack


def start(stack: Stack) -> None:
    stack.installation.start()
    stack.installation.wait_until_ready(path="/readyz")
