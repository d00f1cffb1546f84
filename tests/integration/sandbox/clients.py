"""Clients of the sandbox: an app with a webhook, and requests to the API."""

import json
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, TypeVar

import requests

from tests.sandbox import Sandbox, Task

T = TypeVar("T")
KEY = {"x-key": "any"}
QUICK = 0.02


class App(ThreadingHTTPServer):
    """An app with a webhook that records requests and answers with chosen statuses."""

    request_queue_size = 1024

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), AppHandler)
        self.url = f"http://127.0.0.1:{self.server_port}/hook?a=1"
        self.received: list[tuple[dict[str, str], bytes]] = []
        self.statuses: list[int] = []
        self.delay = 0.0

    def payloads(self) -> list[dict[str, Any]]:
        return [json.loads(body) for _, body in self.received]


class AppHandler(BaseHTTPRequestHandler):
    server: App

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.received.append(({k.lower(): v for k, v in self.headers.items()}, body))
        time.sleep(self.server.delay)
        self.send_response(self.server.statuses.pop(0) if self.server.statuses else 200)
        self.send_header("Location", "http://127.0.0.1:1/elsewhere")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """Quiet."""


def until(ask: Callable[[], T], seconds: float = 25.0) -> T:
    deadline = time.monotonic() + seconds
    while not (answer := ask()):
        assert time.monotonic() < deadline, "it never came true"
        time.sleep(0.01)
    return answer


def submitted(box: Sandbox, model: str = "flux-2-pro", **body: Any) -> requests.Response:
    body = {"prompt": "a heron"} | body
    return requests.post(f"{box.url}/v1/{model}", json=body, headers=KEY, timeout=30)


def polled(box: Sandbox, task_id: str) -> requests.Response:
    url = f"{box.url}/v1/get_result?id={task_id}"
    return requests.get(url, headers=KEY, timeout=30)


def finished(box: Sandbox, **switches: Any) -> Task:
    task = box.submit(switches=switches)
    until(lambda: not box.task(task.id).active)
    return box.task(task.id)
