"""C code that never releases the GIL: the process exits and prints where it hangs."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
PROGRAM = """
import ctypes, time
from worker import startup
startup.exit_when_interpreter_hangs(seconds={seconds})
{call}({seconds} * 1.5)
"""


def run(call: str, seconds: int) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", PROGRAM.format(call=call, seconds=seconds)]
    return subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
    )


def test_a_process_exits_when_c_code_holds_the_interpreter() -> None:
    ended = run("ctypes.PyDLL(None).sleep(60) or time.sleep", seconds=2)
    assert ended.returncode == 1
    assert "Timeout" in ended.stderr and 'File "<string>", line 5' in ended.stderr


def test_a_process_whose_threads_run_goes_on() -> None:
    assert run("time.sleep", seconds=4).returncode == 0
