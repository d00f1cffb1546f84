"""The sandbox as a program, watched and changed over HTTP."""

import signal
import subprocess
import sys

import pytest
import requests

from tests.integration.sandbox.clients import KEY
from tests.sandbox import Sandbox


def test_the_sandbox_is_watched_and_changed_over_http(box: Sandbox) -> None:
    task, control = box.submit(), f"{box.url}/sandbox"
    requests.get(f"{box.url}/v1/get_result?id={task.id}", headers=KEY, timeout=30)
    assert requests.get(f"{control}/tasks/{task.id}", timeout=30).json()["polls"] == 1
    assert requests.get(f"{control}/tasks", timeout=30).json()[0]["id"] == task.id
    assert requests.get(f"{control}/requests", timeout=30).json()[0]["headers"]["x-key"] != "any"
    assert requests.get(f"{control}/peak", timeout=30).json()["peak"] == 1
    changed = requests.patch(f"{control}/settings", json={"credits": 7}, timeout=30).json()
    assert changed["credits"] == 7 and box.settings.credits == 7
    assert requests.patch(f"{control}/settings", json={"nope": 1}, timeout=30).status_code == 422


@pytest.mark.parametrize("end", [signal.SIGINT, signal.SIGTERM])
def test_it_runs_as_a_program_until_sigterm(end: signal.Signals) -> None:
    command = [sys.executable, "-m", "tests.sandbox", "--port", "0", "--key", "one", "two"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        line = process.stdout.readline()
        url = line.strip().partition("BFL_SANDBOX_URL=")[2]
        statuses = [
            requests.get(f"{url}/v1/credits", headers={"x-key": key}, timeout=30).status_code
            for key in ("one", "two", "three")
        ]
        process.send_signal(end)
        assert process.wait(timeout=30) == 0
    assert statuses == [200, 200, 403]
