"""kill -9 and SIGSTOP of workers in the middle of a rescue.

The breakages are made one after the other and heal together: each waits for its lease.
"""

import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from tests.harness import Process, Stack, stopped_stack, wait_for, without_links
from tests.harness.tcp_proxy import Tripwire
from tests.sandbox import Task

STORED_WITHIN_SECONDS = 90.0  # a lease, and a slow machine
SIZE_BYTES = 400_000
HUNG_DISK = Path(__file__).parents[1] / "hung_disk"
HUNG_BYTES = 300_000  # `hung_disk` waits for ever in the fsync of a file of this size
SLOW: dict[str, Any] = {"size": SIZE_BYTES, "drip": 20_000}  # twenty seconds
MIDDLING: dict[str, Any] = {"size": SIZE_BYTES, "drip": 200_000}  # two seconds

pytestmark = pytest.mark.slow


@dataclass
class Wreckage:
    """Jobs whose rescue was broken off, by what broke it; new workers run since `restarted_at`."""

    stack: Stack
    tasks: dict[str, Task] = field(default_factory=dict)
    stopped: Process | None = None
    left: int = 0
    restarted_at: float = 0.0

    def stored(self, what: str) -> dict[str, Any]:
        job = self.stack.stored(self.tasks[what], timeout=STORED_WITHIN_SECONDS)
        at = datetime.fromisoformat(job["updated_at"]).timestamp()
        assert at - self.restarted_at < STORED_WITHIN_SECONDS
        assert len(self.stack.objects(self.tasks[what])) == 1
        return job

    def downloads(self, what: str) -> int:
        return len(self.stack.deliveries(self.tasks[what]))


@pytest.fixture(scope="module")
def wreckage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Wreckage]:
    with stopped_stack(tmp_path_factory.mktemp("wreckage")) as stack:
        stack.installation.start("web", "sweep")
        found = Wreckage(stack)
        for what, wreck in WRECKS.items():
            found.tasks[what] = wreck(found)
        found.left = len(stack.staged())
        for task in found.tasks.values():
            stack.change_switches(task, drip=None)
        found.restarted_at = time.time()
        stack.installation.start("worker", n=2)
        yield found


def _working(found: Wreckage, switches: dict[str, Any]) -> tuple[Process, Task]:
    """A worker of its own in the middle of a download: all the others are busy or dead."""
    (worker,) = found.stack.installation.start("worker")
    task = found.stack.generate(**switches)
    found.stack.wait_for_download(task)
    return worker, task


def _kill(found: Wreckage) -> Task:
    worker, task = _working(found, SLOW)
    worker.kill()
    return task


def _stop(found: Wreckage) -> Task:
    found.stopped, task = _working(found, SLOW)
    found.stopped.pause()
    return task


def _kill_before_rename(found: Wreckage) -> Task:
    """The disk hangs in the fsync of the staged file."""
    (worker,) = found.stack.installation.start("worker", PYTHONPATH=str(HUNG_DISK))
    task = found.stack.generate(size=HUNG_BYTES)

    def staged_sizes() -> list[int]:
        return [path.stat().st_size for path in found.stack.staged() if task.id in path.name]

    wait_for("the file is complete", lambda: HUNG_BYTES in staged_sizes())
    assert not found.stack.objects(task)
    worker.kill_all()
    return task


def _kill_before_commit(found: Wreckage) -> Task:
    installation = found.stack.installation
    with Tripwire(installation.redis.port) as wire:
        wire.arm(b"fluxkeep:jobs:stored")
        url = installation.redis.url_through(wire.port)
        (worker,) = installation.start("worker", REDIS_URL=url)
        task = found.stack.generate(**MIDDLING)
        wire.wait()
        assert len(found.stack.objects(task)) == 1
        worker.kill_all()
    return task


WRECKS: dict[str, Callable[[Wreckage], Task]] = {
    "killed": _kill,
    "stopped": _stop,
    "before rename": _kill_before_rename,
    "before commit": _kill_before_commit,
}


@pytest.mark.parametrize(
    ("what", "downloads"),
    [("killed", 2), ("before rename", 2), ("before commit", 1)],
)
def test_a_job_whose_rescue_was_broken_off_is_done_again_or_adopted(
    wreckage: Wreckage, what: str, downloads: int
) -> None:
    wreckage.stored(what)
    assert wreckage.downloads(what) == downloads


def test_a_worker_that_was_stopped_for_long_commits_nothing(wreckage: Wreckage) -> None:
    before = wreckage.stored("stopped")
    worker = wreckage.stopped
    assert worker is not None and wreckage.downloads("stopped") == 2
    worker.resume()
    wait_for("it gives up", lambda: "another worker has it now" in worker.output(), 20)
    after = wreckage.stack.client.job(before["id"])
    assert without_links(after) == without_links(before)
    wreckage.stored("stopped")


def test_files_of_killed_workers_are_removed(wreckage: Wreckage) -> None:
    stack = wreckage.stack
    stack.settled(idle=False)
    assert wreckage.left >= 3
    for path in stack.staged():
        # A minute must have passed since the last byte.
        os.utime(path, (0, time.time() - 61))
    wait_for("no staged file is left", lambda: stack.staged() == [])
    stack.settled()
