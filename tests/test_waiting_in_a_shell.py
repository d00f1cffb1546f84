"""`submit --wait` in adversity, and the files that `--output` writes."""

import hashlib
import re
import signal
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from click import ClickException

from jobs.directory import Directory
from jobs.errors import StorageFailed
from jobs.kept import Kept
from receiver.commands.files import save
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

# Waiting in adversity.


@pytest.fixture
def waiting(stopped_installation: Installation, sandbox: Sandbox) -> Iterator[Process]:
    """Somebody waits for a job that BFL will not take."""
    started(stopped_installation)
    sandbox.settings.submit_fault = 429
    log = stopped_installation.directory / "command.log"
    process = CommandLine(stopped_installation).start(*FOX, *quick(), "--wait", log=log)
    yield process
    process.kill_all()


def said_by(process: Process, pattern: str) -> re.Match[str]:
    return wait_for(pattern, lambda: re.search(pattern, process.output()), 30)


def test_ctrl_c_leaves_the_job_alone_and_says_how_to_look_at_it(
    stopped_installation: Installation, sandbox: Sandbox, waiting: Process
) -> None:
    said_by(waiting, r"paused: BFL says that too many tasks are active; tried again")
    waiting.send(signal.SIGINT)
    assert waiting.wait() == 130
    job_id = said_by(waiting, r"flask --app receiver jobs show (\S+)")[1]
    assert "Traceback" not in waiting.output() and "Aborted" not in waiting.output()
    sandbox.settings.submit_fault = None
    stopped_installation.client().wait_for(job_id, "stored", timeout=60)


@pytest.mark.slow
def test_waiting_outlasts_a_redis_that_is_gone_for_a_while(
    stopped_installation: Installation, sandbox: Sandbox, waiting: Process
) -> None:
    said_by(waiting, r"queued .*paused")
    stopped_installation.redis.kill()
    said_by(waiting, r"Redis: \w+; trying again")
    sandbox.settings.submit_fault = None
    stopped_installation.redis.start()
    assert waiting.wait(90) == 0, waiting.output()
    said_by(waiting, r"/media/")


def test_without_a_worker_the_one_who_waits_is_told(stopped_installation: Installation) -> None:
    log = stopped_installation.directory / "command.log"
    process = CommandLine(stopped_installation).start(*FOX, "--wait", log=log)
    try:
        said_by(process, r"no worker process is running: start `python -m worker`")
    finally:
        process.kill_all()


# Files.


def test_a_file_that_is_there_is_never_overwritten(tmp_path: Path) -> None:
    media, kept = a_storage_with_one_file(tmp_path)
    there = tmp_path / "one-0.jpg"
    there.write_bytes(b"precious")
    with pytest.raises(ClickException, match="exists already"):
        list(save(media, [kept], tmp_path))
    assert there.read_bytes() == b"precious"


def test_bytes_that_are_not_the_recorded_ones_leave_no_file(tmp_path: Path) -> None:
    media, kept = a_storage_with_one_file(tmp_path)
    with pytest.raises(StorageFailed):
        list(save(media, [replace(kept, sha256="0" * 64)], tmp_path))
    assert not (tmp_path / "one-0.jpg").exists()


def a_storage_with_one_file(directory: Path) -> tuple[Directory, Kept]:
    media = Directory(directory / "media")
    kept = Kept(
        key="2026/11/21/one-0.jpg",
        content_type="image/jpeg",
        bytes=3,
        sha256=hashlib.sha256(b"fox").hexdigest(),
    )
    with media.staging("one") as staged:
        staged.write_bytes(b"fox")
        media.publish(staged, kept.key)
    return media, kept
