"""The sandbox as a program and under load."""

import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import requests

from tests.integration.sandbox.clients import KEY, App, finished, polled, sample, until
from tests.sandbox import Sandbox, Settings


def test_the_sandbox_is_watched_and_changed_over_http(box: Sandbox) -> None:
    task = finished(box)
    polled(box, task.id)
    control = f"{box.url}/sandbox"
    assert requests.get(f"{control}/tasks/{task.id}", timeout=5).json()["polls"] == 1
    assert requests.get(f"{control}/tasks", timeout=5).json()[0]["id"] == task.id
    assert requests.get(f"{control}/requests", timeout=5).json()[0]["headers"]["x-key"] != "any"
    assert requests.get(f"{control}/peak", timeout=5).json()["peak"] == 1
    changed = requests.patch(f"{control}/settings", json={"credits": 7}, timeout=5).json()
    assert changed["credits"] == 7 and box.settings.credits == 7
    assert requests.patch(f"{control}/settings", json={"nope": 1}, timeout=5).status_code == 422


def test_a_thousand_tasks_at_once_all_call_back(box: Sandbox, app: App) -> None:
    box.settings.max_active = 1000
    box.settings.credits = 1e6
    tasks = [box.submit(webhook_url=app.url, switches={"seconds": 6.0}) for _ in range(1000)]
    assert box.peak.active == 1000
    assert threading.active_count() < 200
    until(lambda: len(app.received) >= len(tasks), seconds=40)
    assert {payload["id"] for payload in app.payloads()} == {task.id for task in tasks}


def test_a_few_hundred_polls_a_second_are_answered(box: Sandbox) -> None:
    task = finished(box)
    began = time.monotonic()
    with ThreadPoolExecutor(16) as pool:
        assert all(pool.map(lambda _: polled(box, task.id).ok, range(300)))
    assert time.monotonic() - began < 25


def test_stopping_leaves_no_thread_and_no_open_file(app: App) -> None:
    app.delay = 1.0
    threads, files = threading.active_count(), len(list(Path("/proc/self/fd").iterdir()))
    with requests.Session() as session, Sandbox(Settings(generation_seconds=0)) as box:
        slow = finished(box, hang=30)
        box.submit(webhook_url=app.url)
        until(lambda: app.received)
        url = sample(box, slow)
        session.get(f"{box.url}/v1/credits", headers=KEY, timeout=5)
        waiting = threading.Thread(target=hung_up_on, args=(url,))
        waiting.start()
        until(lambda: box.task(slow.id).deliveries)
    waiting.join()
    until(lambda: threading.active_count() <= threads)
    until(lambda: len(list(Path("/proc/self/fd").iterdir())) <= files)


def hung_up_on(url: str) -> None:
    with pytest.raises(requests.ConnectionError):
        requests.get(url, timeout=10)


@pytest.mark.parametrize("end", [signal.SIGINT, signal.SIGTERM])
def test_it_runs_as_a_program_until_sigterm(end: signal.Signals) -> None:
    command = [sys.executable, "-m", "tests.sandbox", "--port", "0", "--key", "one", "two"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        line = process.stdout.readline()
        url = line.strip().partition("BFL_SANDBOX_URL=")[2]
        statuses = [
            requests.get(f"{url}/v1/credits", headers={"x-key": key}, timeout=5).status_code
            for key in ("one", "two", "three")
        ]
        process.send_signal(end)
        assert process.wait(timeout=5) == 0
    assert statuses == [200, 200, 403]
