"""kill -9 and SIGSTOP of the sweeper: whoever looks after it brings it back, nothing is lost."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from jobs.store.keys import DUE
from tests.harness.patience import wait_for
from tests.harness.scene import Scene, running_scene


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    with running_scene(tmp_path, CALLBACK_GRACE="1") as running:
        yield running


def test_a_killed_sweeper_is_restarted_by_its_supervisor(scene: Scene) -> None:
    installation = scene.installation
    (killed,) = installation.sweep
    with installation.supervised():
        killed.kill()
        task = scene.expected()
        assert scene.stored(task)["source"] == "poll"
    (alive,) = installation.sweep
    assert alive.pid != killed.pid
    scene.settled()


def test_what_became_due_without_a_sweeper_is_done_when_it_is_back(scene: Scene) -> None:
    installation = scene.installation
    installation.kill("sweep")
    tasks = [scene.expected() for _ in range(3)]
    wait_for("they are overdue", lambda: _overdue(scene) == len(tasks))
    assert all(scene.polls(task) == [] for task in tasks)
    installation.start("sweep")
    for task in tasks:
        assert scene.stored(task)["source"] == "poll"
    scene.settled()


def test_a_sweeper_that_was_stopped_goes_on(scene: Scene) -> None:
    installation = scene.installation
    installation.pause("sweep")
    task = scene.expected()
    wait_for("it is overdue", lambda: _overdue(scene) == 1)
    installation.start("sweep")  # another one takes over
    scene.stored(task)
    installation.resume("sweep")
    scene.stored(scene.expected())
    scene.settled()


def _overdue(scene: Scene) -> int:
    with scene.installation.redis.client() as redis:
        seconds, _ = redis.time()
        return int(redis.zcount(DUE, "-inf", seconds))
