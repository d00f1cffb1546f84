"""Memory of all processes on one small machine, idle and with four concurrent rescues."""

from pathlib import Path
from tempfile import TemporaryDirectory

from tests.bench.memory import MB, peak_memory, proportional
from tests.harness import Process
from tests.harness.scene import Scene, running_scene

RESCUES = 4
BYTES_PER_SECOND = 400_000  # slow enough for all downloads to overlap
PICTURE_BYTES = 1_500_000
SETTINGS = {"WEB_CONCURRENCY": "2", "WORKER_CONCURRENCY": str(RESCUES), "LOG_LEVEL": "INFO"}
KINDS = ("web", "worker", "sweep")
LIMIT_MB = 512


def main() -> None:
    print("| MB, proportional | idle | four concurrent rescues | and their thumbnails |")
    print("|---|---|---|---|")
    with (
        TemporaryDirectory(prefix="fluxkeep-bench-") as directory,
        running_scene(Path(directory), None, None, **SETTINGS) as scene,
    ):
        _warm_up(scene)
        rows = _measured(scene)
    for name, values in rows.items():
        print(f"| {name} | " + " | ".join(f"{value / MB:.0f}" for value in values) + " |")
    sums = [sum(column) / MB for column in zip(*rows.values(), strict=True)]
    print("| **sum** | " + " | ".join(f"**{value:.0f}**" for value in sums) + " |")
    print(f"\nof {LIMIT_MB} MB")


def _warm_up(scene: Scene) -> None:
    for task in [scene.generate() for _ in range(2 * RESCUES)]:
        scene.drawn(task, 60)


def _measured(scene: Scene) -> dict[str, tuple[int, int, int]]:
    idle = {name: _memory(scene, name) for name in KINDS}
    tasks = [scene.generate(drip=BYTES_PER_SECOND, size=PICTURE_BYTES) for _ in range(RESCUES)]
    for task in tasks:
        scene.wait_for_download(task)
    under_way = {name: _memory(scene, name) for name in KINDS}
    with (
        peak_memory(lambda: _pids(scene, "web")) as web,
        peak_memory(lambda: _pids(scene, "worker")) as worker,
        peak_memory(lambda: _pids(scene, "sweep")) as sweep,
    ):
        for task in tasks:
            scene.drawn(task, 60)
    peaks = dict(zip(KINDS, (web.bytes, worker.bytes, sweep.bytes), strict=True))
    return {name: (idle[name], under_way[name], peaks[name]) for name in KINDS}


def _memory(scene: Scene, name: str) -> int:
    return sum(map(proportional, _pids(scene, name)))


def _pids(scene: Scene, name: str) -> list[int]:
    (process,) = _running(scene, name)
    return [process.pid, *process.offspring()]


def _running(scene: Scene, name: str) -> list[Process]:
    return [one for one in scene.installation.running[name] if one.alive]
