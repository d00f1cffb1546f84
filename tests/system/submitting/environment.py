"""An installation to submit jobs to, and what its sandbox of BFL received."""

import json
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import requests

from jobs.store.keys import ACTIVE, CIRCUITS, INPUT_NOTES, QUEUE_PREFIX, QUEUES
from tests.harness import Client, wait_for
from tests.harness.smallest_inputs import DOCUMENT, smallest_input
from tests.harness.stack import QUICK_SECONDS, Stack, stopped_stack
from tests.sandbox import Request, Settings, Task


class SubmissionEnvironment:
    """Orders to one installation. Each has a prompt of its own, by which BFL's side is found."""

    def __init__(self, stack: Stack) -> None:
        self.stack, self.sandbox, self.client = stack, stack.sandbox, stack.client

    # Handing in.

    def post(self, body: Any, *, key: str | None = None, scope: str = "submit") -> Any:
        """The answer to `POST /api/jobs`; `key` is the Idempotency-Key."""
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        headers = {"Content-Type": "application/json"} | ({"Idempotency-Key": key} if key else {})
        caller = self.stack.installation.client(scope)
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

    def stored(self, job: dict[str, Any], timeout: float = 30.0) -> dict[str, Any]:
        """The job once it is stored, with the bytes that BFL has."""
        found = self.ended(job, timeout)
        assert found["status"] == "stored", found
        assert self.client.media(found) == self.sandbox.picture(self.task(job).id)
        return found

    def submitted(self, job: dict[str, Any]) -> dict[str, Any]:
        return self.client.wait_for(job["id"], "submitted")

    # What BFL saw.

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
        with self.stack.installation.redis.client() as redis:
            found: Any = redis.hgetall(CIRCUITS)
        return {scope.decode(): value.decode() for scope, value in found.items()}

    def end_circuits(self) -> None:
        """Their time is over; whoever goes next is the probe."""
        with self.stack.installation.redis.client() as redis:
            for scope, value in self.pauses().items():
                redis.hset(CIRCUITS, scope, f"1.000 {value.partition(' ')[2]}")

    def queue_keys(self) -> list[str]:
        """Keys that only unfinished submissions may need."""
        with self.stack.installation.redis.client() as redis:
            patterns = (f"{ACTIVE}*", f"{QUEUE_PREFIX}*", QUEUES)
            return [str(key) for pattern in patterns for key in redis.scan_iter(pattern)]

    def input_notes(self) -> list[Any]:
        """Inputs whose objects may have no record, or are to be deleted."""
        with self.stack.installation.redis.client() as redis:
            found: Any = redis.zrange(INPUT_NOTES, 0, -1)
        return list(found)


def events(job: dict[str, Any]) -> list[str]:
    """The codes of a timeline."""
    return [line["event"] for line in job["timeline"]]


@contextmanager
def stopped_environment(
    directory: Path, sandbox: Settings | None = None, **settings: str
) -> Iterator[SubmissionEnvironment]:
    """Nothing runs yet; BFL will be told to call the first web process."""
    with stopped_stack(directory, sandbox, None, **settings) as stack:
        stack.installation.settings["PUBLIC_URL"] = stack.installation.url
        yield SubmissionEnvironment(stack)


@contextmanager
def running_environment(
    directory: Path, sandbox: Settings | None = None, *, workers: int = 1, **settings: str
) -> Iterator[SubmissionEnvironment]:
    """Everything runs."""
    with stopped_environment(directory, sandbox, **settings) as env:
        installation = env.stack.installation
        installation.start("web", "sweep")
        installation.start("worker", n=workers)
        installation.wait_until_ready(path="/readyz")
        yield env


def send_failure(url: str | None, secret: str | None, task: Task, auth: str = "secret") -> Any:
    """Send the callback of a failure for the task, with this URL and secret."""
    assert url and secret
    origin, slash, path = url.partition("/webhooks/")
    client = Client(origin, secret=secret)
    text = {"id": task.id, "status": "Error", "result": None}
    answer = client.callback(text, auth, path=slash + path)
    client.close()
    return answer
