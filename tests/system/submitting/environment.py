"""An installation to submit jobs to."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.harness import Client
from tests.harness.stack import Stack, stopped_stack
from tests.sandbox import Settings, Task


def events(job: dict[str, Any]) -> list[str]:
    """The codes of a timeline."""
    return [line["event"] for line in job["timeline"]]


@contextmanager
def stopped_environment(
    directory: Path, sandbox: Settings | None = None, **settings: str
) -> Iterator[Stack]:
    """Nothing runs yet; BFL will be told to call the first web process."""
    with stopped_stack(directory, sandbox, None, **settings) as stack:
        stack.installation.settings["PUBLIC_URL"] = stack.installation.url
        yield stack


@contextmanager
def running_environment(
    directory: Path, sandbox: Settings | None = None, *, workers: int = 1, **settings: str
) -> Iterator[Stack]:
    """Everything runs."""
    with stopped_environment(directory, sandbox, **settings) as env:
        installation = env.installation
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
