"""The sandbox as a program."""

import signal
import subprocess
import sys

import pytest
import requests


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


def test_its_clusters_know_their_own_tasks_alone() -> None:
    command = [sys.executable, "-m", "tests.sandbox", "--port", "0", "--clusters", "2"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            urls = line.strip().partition("BFL_SANDBOX_URL=")[2].split(",")
            assert [knowing(urls, submitted(urls[0])) for _ in range(3)] == [[1], [2], [1]]
            settings = {"poll_faults_by_host": {"1": 503}}
            changed = requests.patch(f"{urls[0]}/sandbox/settings", json=settings, timeout=30)
            assert changed.json()["poll_faults_by_host"] == {"1": 503}
        finally:
            process.terminate()


def submitted(url: str) -> str:
    """The id of a new task, in whose answer there is no polling URL."""
    body = {"prompt": "a fox", "webhook_url": "https://example.com/"}
    answer = requests.post(f"{url}/v1/flux-2-pro", json=body, headers={"x-key": "any"}, timeout=30)
    assert "polling_url" not in answer.json()
    return str(answer.json()["id"])


def knowing(urls: list[str], task_id: str) -> list[int]:
    """The numbers of the hosts that know a task."""
    at_hosts = [f"{url}/v1/get_result?id={task_id}" for url in urls]
    polls = [requests.get(url, headers={"x-key": "any"}, timeout=30) for url in at_hosts]
    return [n for n, poll in enumerate(polls) if poll.status_code == 200]
