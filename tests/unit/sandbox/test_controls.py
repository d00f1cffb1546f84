"""The sandbox is watched and changed over HTTP."""

import requests

from tests.sandbox import Sandbox
from tests.unit.sandbox.clients import KEY


def test_the_sandbox_is_watched_and_changed_over_http(sandbox: Sandbox) -> None:
    task, control = sandbox.submit(), f"{sandbox.url}/sandbox"
    requests.get(f"{sandbox.url}/v1/get_result?id={task.id}", headers=KEY, timeout=30)
    assert requests.get(f"{control}/tasks/{task.id}", timeout=30).json()["polls"] == 1
    assert requests.get(f"{control}/tasks", timeout=30).json()[0]["id"] == task.id
    assert requests.get(f"{control}/requests", timeout=30).json()[0]["headers"]["x-key"] != "any"
    assert requests.get(f"{control}/peak", timeout=30).json()["peak"] == 1
    changed = requests.patch(f"{control}/settings", json={"credits": 7}, timeout=30).json()
    assert changed["credits"] == 7 and sandbox.settings.credits == 7
    assert requests.patch(f"{control}/settings", json={"nope": 1}, timeout=30).status_code == 422
