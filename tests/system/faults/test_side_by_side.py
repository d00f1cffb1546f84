"""Two of each process at once do no double work."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from rq import Queue

from jobs.store.keys import PENDING_POLLS
from jobs.store.rq_queue import QUEUE_NAME
from tests.harness.patience import wait_for
from tests.harness.scene import Scene, running_scene

JOBS = 40
POLLED = 10


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    with running_scene(tmp_path, CALLBACK_GRACE="4") as running:
        running.box.settings.max_active = 1000
        running.installation.start()
        running.installation.wait_until_ready()
        yield running


def test_two_of_everything_download_each_picture_once(scene: Scene) -> None:
    installation = scene.installation
    hooks = [f"{url}/webhooks/bfl" for url in installation.urls]
    assert len(hooks) == len(installation.worker) == len(installation.sweep) == 2
    silent = [scene.expected() for _ in range(POLLED)]
    called = [scene.generate(webhook_url=hooks[n % 2], callback=2) for n in range(JOBS - POLLED)]
    for task in called:
        assert scene.stored(task)["source"] == "callback"
        assert scene.outcomes(task, 2) == [200, 200]
        assert scene.polls(task) == []
    for task in silent:
        assert scene.stored(task)["source"] == "poll"
        assert len(scene.polls(task)) == 1
    for task in called + silent:
        assert len(scene.deliveries(task)) == len(scene.objects(task)) == 1
    assert len(scene.settled()) == JOBS


def test_two_sweepers_claim_no_job_twice(scene: Scene) -> None:
    scene.installation.kill("worker")
    tasks = [scene.expected() for _ in range(POLLED)]
    with scene.installation.redis.client() as redis:
        # Both sweepers find all of them due at the same time; each job is wanted once.
        wait_for("all are wanted", lambda: redis.zcard(PENDING_POLLS) == len(tasks))
        assert Queue(QUEUE_NAME, connection=redis).count == len(tasks)
    scene.installation.start("worker", n=2)
    for task in tasks:
        scene.stored(task)
        assert len(scene.polls(task)) == len(scene.deliveries(task)) == 1
    scene.settled()
