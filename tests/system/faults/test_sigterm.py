"""SIGTERM to everything during downloads, as a platform restarts: over in time, nothing lost."""

import time

import pytest

from tests.harness.invariants import all_jobs
from tests.harness.patience import wait_for
from tests.harness.process import Process
from tests.harness.scene import Scene
from tests.sandbox import Task

EXIT_WITHIN_SECONDS = 30.0
SIZE_BYTES = 400_000


def downloads(scene: Scene, drip: int) -> list[Task]:
    """One under way in each of two workers."""
    scene.installation.start("worker")
    with scene.installation.redis.client() as redis:
        wait_for("both workers", lambda: redis.scard("rq:workers") == 2)
    tasks = [scene.generate(size=SIZE_BYTES, drip=drip) for _ in range(2)]
    for task in tasks:
        scene.wait_for_download(task)
    return tasks


def everything(scene: Scene) -> list[Process]:
    installation = scene.installation
    return [*installation.web, *installation.worker, *installation.sweep]


def exits(processes: list[Process]) -> list[int]:
    """The exit codes, all of them within the time a platform gives."""
    deadline = time.monotonic() + EXIT_WITHIN_SECONDS
    return [process.wait(max(0.0, deadline - time.monotonic())) for process in processes]


def leased(scene: Scene) -> list[str]:
    """Who would have to wait until somebody who is gone has held the job for long enough."""
    with scene.installation.redis.client() as redis:
        return [job.id for job in all_jobs(redis) if job.check.lease_until]


def finished_after_restart(scene: Scene, tasks: list[Task]) -> None:
    assert leased(scene) == [], "what was in hand was handed back"
    for task in tasks:
        scene.mend(task, drip=None)
    scene.installation.start()
    scene.installation.wait_until_ready()
    for task in tasks:
        scene.stored(task)
        assert len(scene.objects(task)) == 1
    scene.settled()


def test_a_short_download_is_finished_before_the_worker_leaves(scene: Scene) -> None:
    tasks = downloads(scene, drip=200_000)
    processes = everything(scene)
    for process in processes:
        process.terminate()
    assert exits(processes) == [0] * 4
    assert all(len(scene.objects(task)) == 1 for task in tasks)
    finished_after_restart(scene, tasks)
    assert all(len(scene.deliveries(task)) == 1 for task in tasks)


def test_a_platform_that_tells_every_process_gets_its_work_handed_back(scene: Scene) -> None:
    tasks = downloads(scene, drip=4_000)
    processes = everything(scene)
    for process in processes:
        process.terminate_all()
    assert exits(processes) == [0] * 4
    assert scene.staged() == []
    finished_after_restart(scene, tasks)


@pytest.mark.slow
def test_a_download_that_would_take_too_long_is_handed_back(scene: Scene) -> None:
    tasks = downloads(scene, drip=4_000)
    processes = everything(scene)
    for process in processes:
        process.terminate()
    assert exits(processes) == [0] * 4
    assert scene.staged() == []
    finished_after_restart(scene, tasks)


def test_a_callback_that_finds_nobody_during_a_restart_is_stored(scene: Scene) -> None:
    processes = everything(scene)
    for process in processes:
        process.terminate()
    assert exits(processes) == [0] * 3
    task = scene.generate()
    (refused,) = scene.outcomes(task)
    assert isinstance(refused, str)
    finished_after_restart(scene, [task])


def test_a_second_sigterm_does_no_harm(scene: Scene) -> None:
    tasks = downloads(scene, drip=200_000)
    processes = everything(scene)
    for process in processes * 2:
        process.terminate()
    exits(processes)
    finished_after_restart(scene, tasks)
