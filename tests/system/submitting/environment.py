"""Events of submitted jobs, and callbacks about them."""

from typing import Any

from tests.harness import Client
from tests.sandbox import Task


def events(job: dict[str, Any]) -> list[str]:
    """The codes of a timeline."""
    return [line["event"] for line in job["timeline"]]


def send_failure(url: str | None, secret: str | None, task: Task, auth: str = "secret") -> Any:
    """Send the callback of a failure for the task, with this URL and secret."""
    assert url and secret
    origin, slash, path = url.partition("/webhooks/")
    client = Client(origin, secret=secret)
    text = {"id": task.id, "status": "Error", "result": None}
    answer = client.callback(text, auth, path=slash + path)
    client.close()
    return answer
