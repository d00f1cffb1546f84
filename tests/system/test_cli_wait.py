"""`submit --wait` while BFL takes no jobs."""

import re
import signal
from collections.abc import Iterator

import pytest

from tests.harness import Installation
from tests.harness.command_line import (
    FOX,
    CommandLine,
    quick,
    started,
)
from tests.harness.patience import wait_for
from tests.harness.process import Process
from tests.sandbox import Sandbox


@pytest.fixture
def waiting(stopped_installation: Installation, sandbox: Sandbox) -> Iterator[Process]:
    """A command that waits for a job that BFL does not accept."""
    started(stopped_installation)
    sandbox.settings.submit_fault = 429
    log = stopped_installation.directory / "command.log"
    process = CommandLine(stopped_installation).start(*FOX, *quick(), "--wait", log=log)
    yield process
    process.kill_all()


def said_by(process: Process, pattern: str) -> re.Match[str]:
    return wait_for(pattern, lambda: re.search(pattern, process.output()), 30)


def test_ctrl_c_leaves_the_job_alone_and_prints_how_to_show_it(
    stopped_installation: Installation, sandbox: Sandbox, waiting: Process
) -> None:
    said_by(waiting, r"queued: BFL says that too many tasks are active")
    waiting.send(signal.SIGINT)
    assert waiting.wait() == 130
    job_id = said_by(waiting, r"flask --app receiver jobs show (\S+)")[1]
    assert "Traceback" not in waiting.output() and "Aborted" not in waiting.output()
    sandbox.settings.submit_fault = None
    stopped_installation.client().wait_for(job_id, "stored", timeout=60)
