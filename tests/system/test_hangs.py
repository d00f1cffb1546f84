"""Hangs that no time-out reaches, of a disk, C code or RQ: the process exits and says why."""

import subprocess
import sys
from pathlib import Path

import pytest

from deploy import procfile
from tests.harness import all_jobs, stopped_stack, wait_for

HUNG_DISK = Path(__file__).with_name("hung_disk")
HUNG_BYTES = 300_000


@pytest.mark.slow
def test_the_successor_of_a_worker_with_a_hung_rescue_does_all_its_work(tmp_path: Path) -> None:
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
            crashes = {job.id: job.lease.crashes for job in all_jobs(redis)}
        assert crashes[slow.id] == 0, "it was released, and is not to blame"
        stack.change_switches(slow, drip=None)
        stack.expire_leases()
        installation.start("worker")
        stack.stored(slow, 60)
        stack.stored(hung, 60)
        stack.settled(idle=False)


# C code that never releases the GIL.

PROGRAM = """
import ctypes, time
from worker import startup
startup.exit_when_interpreter_hangs(seconds={seconds})
{call}({seconds} * 1.5)
"""


def run(call: str, seconds: int) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", PROGRAM.format(call=call, seconds=seconds)]
    return subprocess.run(
        command, cwd=procfile.ROOT, capture_output=True, text=True, timeout=60, check=False
    )


def test_a_process_exits_when_c_code_holds_the_interpreter() -> None:
    ended = run("ctypes.PyDLL(None).sleep(60) or time.sleep", seconds=2)
    assert ended.returncode == 1
    assert "Timeout" in ended.stderr and 'File "<string>", line 5' in ended.stderr


def test_a_process_whose_threads_run_goes_on() -> None:
    assert run("time.sleep", seconds=4).returncode == 0


UNABLE_SECONDS = 3
IMPATIENT_WORKER = f"""
import sys
from worker import __main__, process
process.UNABLE_SECONDS = {UNABLE_SECONDS}
sys.exit(__main__.main())
"""


@pytest.mark.slow
def test_a_worker_whose_rq_cannot_run_exits_with_the_reason(tmp_path: Path) -> None:
    with stopped_stack(tmp_path) as stack:
        installation = stack.installation
        with installation.redis.client() as redis:
            redis.acl_setuser("default", enabled=True, commands=["-blmove"])
        installation.commands["worker"] = [sys.executable, "-c", IMPATIENT_WORKER]
        installation.start("web", "sweep")
        (worker,) = installation.start("worker")
        stack.stored(stack.generate())
        assert worker.wait() == 1
        assert "RQ cannot run although Redis takes writes, so this process exits" in worker.output()


@pytest.mark.slow
def test_a_worker_waits_for_a_redis_that_refuses_writes(tmp_path: Path) -> None:
    with stopped_stack(tmp_path) as stack:
        installation = stack.installation
        installation.commands["worker"] = [sys.executable, "-c", IMPATIENT_WORKER]
        installation.start("web", "sweep")
        installation.redis.set_maxmemory(1)
        (worker,) = installation.start("worker")
        wait_for("RQ is tried again and again", lambda: worker.output().count("RQ stopped") > 3)
        assert worker.alive
        installation.redis.set_maxmemory(0)
        stack.stored(stack.generate())
