"""Idle processes: CPU time of their imports, and memory. Takes half a minute."""

import subprocess
import sys
import time
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

from deploy.procfile import ROOT
from tests.bench.memory import MB, proportional
from tests.harness.stack import running_stack

ROUNDS = 3
SETTLING_SECONDS = 8.0  # every periodic task has run once
MODULES = {"web": "receiver.app", "worker": "worker.__main__", "sweep": "worker.sweep"}


def main() -> None:
    imports = {name: _import_seconds(module) for name, module in MODULES.items()}
    with (
        TemporaryDirectory(prefix="fluxkeep-bench-") as directory,
        running_stack(Path(directory), WEB_CONCURRENCY="2", LOG_LEVEL="WARNING") as stack,
    ):
        time.sleep(SETTLING_SECONDS)
        print("| process | CPU seconds to import | idle memory, MB | processes |")
        print("|---|---|---|---|")
        total = 0.0
        for name, running in stack.installation.running.items():
            pids = [pid for one in running for pid in (one.pid, *one.offspring())]
            total += (taken := sum(map(proportional, pids)) / MB)
            print(f"| {name} | {imports[name]:.2f} | {taken:.0f} | {len(pids)} |")
        print(f"| all | | {total:.0f} | |")


def _import_seconds(module: str) -> float:
    """CPU seconds beyond those of Python itself."""
    return median(_seconds(f"import {module}") - _seconds("pass") for _ in range(ROUNDS))


def _seconds(statement: str) -> float:
    script = f"import time; {statement}; print(time.process_time())"
    return float(subprocess.check_output([sys.executable, "-c", script], cwd=ROOT, text=True))
