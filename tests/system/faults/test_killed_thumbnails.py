"""Workers killed and stopped while they draw thumbnails: what is stored stays as it is."""

from base64 import b64encode
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest
from PIL import Image

from jobs.job import Job
from tests.harness import S3Server, processes
from tests.harness.invariants import check
from tests.harness.parts import Parts
from tests.harness.patience import wait_for
from tests.harness.pictures import encoded
from tests.harness.process import Process
from tests.harness.scene import Scene, stopped_scene, without_links
from tests.harness.tripwire import Tripwire
from tests.sandbox import Task

pytestmark = pytest.mark.slow


@pytest.fixture(params=["directory", "bucket"])
def scene(request: pytest.FixtureRequest, tmp_path: Path, s3_server: S3Server) -> Iterator[Scene]:
    """Nobody works yet."""
    bucket = s3_server.bucket(f"keep-{uuid4()}") if request.param == "bucket" else None
    with stopped_scene(tmp_path, bucket=bucket) as stopped:
        stopped.installation.start("web", "sweep")
        stopped.installation.wait_until_ready()
        yield stopped


def endless_picture() -> bytes:
    """Twenty thousand scans, which nobody has the time to draw."""
    body = encoded(Image.new("L", (5000, 5000), 128), "image/jpeg", progressive=True)
    starts = [at for at in range(len(body)) if body[at : at + 2] == b"\xff\xda"]
    scan = body[starts[1] : starts[2]]
    return body[: starts[2]] + scan * 20_000 + b"\xff\xd9"


def slow_picture() -> bytes:
    """It takes half a second to draw."""
    return encoded(Image.new("RGB", (5000, 5000), "navy"), "image/png")


def a_worker_that_draws_for_ever(scene: Scene) -> tuple[Process, Task]:
    (worker,) = scene.installation.start("worker")
    task = scene.generate(body_base64=b64encode(endless_picture()).decode())
    scene.stored(task)
    wait_for("it is drawn", lambda: any(map(is_drawing, worker.offspring())))
    return worker, task


def is_drawing(pid: int) -> bool:
    return "worker.thumbnail_child" in processes.command_line(pid)


def time_passes(scene: Scene, task: Task) -> None:
    """Whoever had taken the drawing has it no more."""

    def now_due(job: Job | None, now: float) -> Job | None:
        return job and job.with_thumbnails(due_at=now)

    with scene.installation.redis.client() as redis:
        Parts.over(redis).store.update(task.id, now_due)


def test_a_worker_killed_between_thumbnail_and_record_costs_nothing(scene: Scene) -> None:
    installation = scene.installation
    with Tripwire(installation.redis.port) as wire:
        url = installation.redis.url_through(wire.port)
        (worker,) = installation.start("worker", REDIS_URL=url)
        task = scene.generate(body_base64=b64encode(slow_picture()).decode())
        scene.client.wait_for(task.id, "stored")
        wire.arm(b"fluxkeep:events")  # records of what has ended are packed; the change is told
        wire.wait()
        worker.kill_all()
    before = scene.stored(task)
    assert before["media"][0]["thumbnail_url"] is None
    assert [key for key in installation.shelf.sizes() if key.endswith(".thumb.webp")]
    check(installation)
    time_passes(scene, task)
    installation.start("worker")
    after = scene.drawn(task)
    assert after["media"][0]["thumbnail_url"]
    assert without_links(after) == without_links(before)
    scene.settled()


def test_a_worker_killed_while_it_draws_leaves_the_job_stored(scene: Scene) -> None:
    worker, task = a_worker_that_draws_for_ever(scene)
    worker.kill_all()
    scene.stored(task)
    assert [key for key in scene.installation.shelf.sizes() if key.endswith(".webp")] == []
    check(scene.installation)


def test_a_worker_told_to_stop_while_it_draws_leaves_at_once_and_nothing_behind(
    scene: Scene,
) -> None:
    worker, task = a_worker_that_draws_for_ever(scene)
    worker.terminate_all()
    assert worker.wait(10) == 0
    scene.stored(task)
    assert not any(map(is_drawing, worker.offspring()))
    assert scene.undrawn() == [task.id], "the next one may try"
    check(scene.installation, idle=True)


def test_a_picture_that_cannot_be_drawn_is_given_up_and_the_next_one_drawn(scene: Scene) -> None:
    _, endless = a_worker_that_draws_for_ever(scene)
    task = scene.generate()
    assert scene.drawn(task, timeout=60)["media"][0]["thumbnail_url"]
    assert scene.drawn(endless, timeout=60)["media"][0]["thumbnail_url"] is None
    scene.settled()
