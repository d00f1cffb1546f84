"""The receivers of docs/api.md accept what Fluxkeep sends, and refuse what others send."""

import base64
import os
import secrets
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import requests

from tests.harness import free_port, running_stack, wait_for
from tests.harness.documents import page, under
from tests.harness.notifications import notified, wait_for_event
from tests.harness.third_party_clients import PROGRAMS, javascript

pytestmark = pytest.mark.slow

SECRET = f"whsec_{base64.b64encode(secrets.token_bytes(32)).decode()}"
_SERVED = "\napp.run(port=int(os.environ['PORT']))\n"
_API = page("docs/api.md")


def in_python() -> tuple[list[str], str]:
    return [sys.executable, "-"], under(_API, "Notifications", "python")[0] + _SERVED


def in_javascript() -> tuple[list[str], str]:
    return [*javascript(), "--input-type=module", "-"], under(_API, "Notifications", "js")[0]


@contextmanager
def receiving(command: list[str], program: str, log: Path) -> Iterator[str]:
    """The URL of a receiver that runs."""
    port = free_port()
    environment = {**os.environ, "NOTIFY_SECRET": SECRET, "PORT": str(port)}
    with log.open("wb") as output:
        running = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=output, env=environment, cwd=PROGRAMS
        )
    try:
        assert running.stdin
        with running.stdin as written:
            written.write(program.encode())
        yield f"http://127.0.0.1:{port}/notifications"
    finally:
        running.kill()
        running.wait(10)


def refuses(url: str) -> bool:
    """Whether it listens, and turns away what proves nothing."""
    try:
        answer = requests.post(url, json={"type": "job.stored", "data": {"id": "x"}}, timeout=30)
    except requests.ConnectionError:
        return False
    assert answer.status_code == 400
    return True


@pytest.mark.parametrize("written", [in_python, in_javascript])
def test_it_takes_what_is_signed_and_nothing_else(
    tmp_path: Path, written: Callable[[], tuple[list[str], str]]
) -> None:
    command, program = written()
    with (
        running_stack(tmp_path, NOTIFY_SECRET=SECRET) as stack,
        receiving(command, program, tmp_path / "receiver.log") as url,
    ):
        wait_for("it listens", lambda: refuses(url), 30)
        wait_for_event(stack, notified(stack, url), "notification.delivered")
