"""The restore drill of docs/operate.md, as an operator types it beside `make run`."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.harness.documents import page, under
from tests.harness.make_run import Run, copy, running

pytestmark = pytest.mark.slow

BACK_UP, LOSE, RESTORE = under(page("docs/operate.md"), "Restore drill", "sh")
SHELL_SECONDS = 120


def typed(directory: Path, script: str) -> str:
    """Output of a shell without settings for a script in this directory."""
    done = subprocess.run(
        ["/bin/sh", "-e", "-c", script],
        cwd=directory,
        env={"PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        timeout=SHELL_SECONDS,
        check=False,
    )
    assert done.returncode == 0, done
    return done.stdout


def media(run: Run) -> dict[str, bytes]:
    client = run.client()
    return {job["id"]: client.media(job) for job in client.jobs()}


def test_the_drill_restores_every_stored_job_with_its_bytes(tmp_path: Path) -> None:
    directory = copy(tmp_path)
    (directory / ".venv").symlink_to(sys.prefix)
    with running(directory) as run:
        run.printed(r"Sample: stored, http")
        run.client().wait_for(run.client().submit(prompt="a fox")["id"])
        before = media(run)
        typed(directory, BACK_UP)
        run.process.send(signal.SIGINT)
        assert run.process.wait(35) == 0
    typed(directory, LOSE)
    with running(directory) as run:
        run.printed(r"Sample: stored, http")
        printed = typed(directory, RESTORE).splitlines()
        assert printed[-3:] == ["3 found, 3 repaired", "all is well", "every stored job is back"]
        assert before.items() <= media(run).items()
