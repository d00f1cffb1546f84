"""A rescue that no time-out reaches: its process hands the others back, says which, and exits."""

from pathlib import Path

import pytest

from tests.harness import all_jobs, stopped_stack, wait_for

pytestmark = pytest.mark.slow

HUNG_DISK = Path(__file__).with_name("hung_disk")
HUNG_BYTES = 300_000


def test_a_worker_with_a_hung_rescue_exits_and_its_successor_does_all_the_work(
    tmp_path: Path,
) -> None:
    with stopped_stack(tmp_path) as stack:
        installation = stack.installation
        installation.start("web", "sweep")
        (worker,) = installation.start("worker", PYTHONPATH=str(HUNG_DISK))
        hung = stack.generate(size=HUNG_BYTES)
        stack.wait_for_download(hung)
        stack.stored(stack.generate())  # the other threads go on
        slow = stack.generate(size=400_000, drip=3_000)
        stack.wait_for_download(slow)
        wait_for("the worker exits", lambda: not worker.alive, 120)
        assert worker.exit_code == 1
        (line,) = [line for line in worker.output().splitlines() if "this process exits" in line]
        assert hung.id in line
        with installation.redis.client() as redis:
            crashes = {job.id: job.check.crashes for job in all_jobs(redis)}
        assert crashes[slow.id] == 0, "it was released, and is not to blame"
        stack.change_switches(slow, drip=None)
        installation.start("worker")
        stack.stored(slow, 60)
        stack.stored(hung, 60)
        stack.settled(idle=False)
