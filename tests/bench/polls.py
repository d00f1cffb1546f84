"""How often BFL is asked about a job, beside the loop in BFL's docs. It takes about 80 seconds."""

from pathlib import Path
from tempfile import TemporaryDirectory

from tests.harness.patience import wait_for
from tests.harness.scene import Scene, running_scene

JOB_SECONDS = 10.0
DOCS_PAUSE_SECONDS = 0.5  # time.sleep(0.5) between two questions
GRACES = (5, 60)
JOBS = 5


def main() -> None:
    print(f"| a job of {JOB_SECONDS:g} s | questions to BFL, of {JOBS} jobs the most |")
    print("|---|---|")
    print(f"| the loop in BFL's docs | {JOB_SECONDS / DOCS_PAUSE_SECONDS:.0f} |")
    for grace in GRACES:
        with (
            TemporaryDirectory(prefix="fluxkeep-bench-") as directory,
            running_scene(Path(directory), CALLBACK_GRACE=str(grace)) as scene,
        ):
            if grace == GRACES[-1]:
                print(f"| callbacks arrive, `CALLBACK_GRACE={grace}` | {_asked(scene, 'once')} |")
            lost = _asked(scene, "never")
            print(f"| callbacks are lost, `CALLBACK_GRACE={grace}` | {lost} |", flush=True)


def _asked(scene: Scene, callback: str) -> int:
    tasks = [scene.generate(seconds=JOB_SECONDS, callback=callback) for _ in range(JOBS)]
    for task in tasks:
        scene.expect(task)
    for task in tasks:
        scene.client.wait_for(task.id, "stored", timeout=120)
    wait_for("all is drawn", lambda: not scene.undrawn(), 60)
    return max(scene.box.task(task.id).polls for task in tasks)
