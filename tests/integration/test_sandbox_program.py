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
