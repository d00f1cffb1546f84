"""Requests to the API of the sandbox."""

from typing import Any

import requests

from tests.harness.patience import wait_for
from tests.sandbox import Sandbox, Task

KEY = {"x-key": "any"}
QUICK = 0.02


def submitted(box: Sandbox, model: str = "flux-2-pro", **body: Any) -> requests.Response:
    body = {"prompt": "a heron"} | body
    return requests.post(f"{box.url}/v1/{model}", json=body, headers=KEY, timeout=30)


def polled(box: Sandbox, task_id: str) -> requests.Response:
    url = f"{box.url}/v1/get_result?id={task_id}"
    return requests.get(url, headers=KEY, timeout=30)


def finished(box: Sandbox, **switches: Any) -> Task:
    task = box.submit(switches=switches)
    wait_for("BFL is done", lambda: not box.task(task.id).active)
    return box.task(task.id)
