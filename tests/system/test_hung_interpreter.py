"""C code that never releases the GIL: the process exits and prints where it hangs."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
PROGRAM = """
import ctypes
from worker import startup
startup.exit_when_interpreter_hangs(seconds=2.0)
ctypes.PyDLL(None).{call}(60)
"""


def run(call: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", PROGRAM.format(call=call)]
    return subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, timeout=50, check=False
    )


def test_a_process_exits_when_c_code_holds_the_interpreter() -> None:
    ended = run("sleep")
    assert ended.returncode == 1
    assert "Timeout" in ended.stderr and 'File "<string>", line 5' in ended.stderr


def test_a_process_whose_threads_run_goes_on() -> None:
    program = PROGRAM.replace("ctypes.PyDLL(None).{call}(60)", "import time; time.sleep(5)")
    command = [sys.executable, "-c", program]
    assert subprocess.run(command, cwd=ROOT, timeout=50, check=False).returncode == 0
