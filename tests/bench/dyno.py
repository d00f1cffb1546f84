"""Memory of all processes on one small machine, idle and with four concurrent rescues."""

from pathlib import Path
from tempfile import TemporaryDirectory

from tests.bench.memory import MB, peak_memory, proportional
from tests.harness.stack import Stack, running_stack

RESCUES = 4
BYTES_PER_SECOND = 400_000  # slow enough for all downloads to overlap
IMAGE_BYTES = 1_500_000
SETTINGS = {"WEB_CONCURRENCY": "2", "WORKER_CONCURRENCY": str(RESCUES), "LOG_LEVEL": "INFO"}
KINDS = ("web", "worker", "sweep")
LIMIT_MB = 512


def main() -> None:
    print("| MB, proportional | idle | four concurrent rescues | and their thumbnails |")
    print("|---|---|---|---|")
    with (
        TemporaryDirectory(prefix="fluxkeep-bench-") as directory,
        running_stack(Path(directory), None, None, **SETTINGS) as stack,
    ):
        for task in [stack.generate(format="jpeg") for _ in range(2 * RESCUES)]:
            stack.stored_with_thumbnails(task, 60)
        rows = _measured(stack)
    for name, values in rows.items():
        print(f"| {name} | " + " | ".join(f"{value / MB:.0f}" for value in values) + " |")
    sums = [sum(column) / MB for column in zip(*rows.values(), strict=True)]
    print("| **sum** | " + " | ".join(f"**{value:.0f}**" for value in sums) + " |")
    print(f"\nof {LIMIT_MB} MB")


def _measured(stack: Stack) -> dict[str, tuple[int, int, int]]:
    idle = {name: _memory(stack, name) for name in KINDS}
    tasks = [
        stack.generate(format="jpeg", drip=BYTES_PER_SECOND, size=IMAGE_BYTES)
        for _ in range(RESCUES)
    ]
    for task in tasks:
        stack.wait_for_download(task)
    under_way = {name: _memory(stack, name) for name in KINDS}
    with (
        peak_memory(lambda: _pids(stack, "web")) as web,
        peak_memory(lambda: _pids(stack, "worker")) as worker,
        peak_memory(lambda: _pids(stack, "sweep")) as sweep,
    ):
        for task in tasks:
            stack.stored_with_thumbnails(task, 60)
    peaks = dict(zip(KINDS, (web.bytes, worker.bytes, sweep.bytes), strict=True))
    return {name: (idle[name], under_way[name], peaks[name]) for name in KINDS}


def _memory(stack: Stack, name: str) -> int:
    return sum(map(proportional, _pids(stack, name)))


def _pids(stack: Stack, name: str) -> list[int]:
    (process,) = [one for one in stack.installation.running[name] if one.alive]
    return [process.pid, *process.offspring()]
