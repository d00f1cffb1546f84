"""A storage that is full or refuses: no partial file, tried again, and said plainly."""

import resource
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.harness.patience import wait_for
from tests.harness.scene import Scene
from tests.sandbox import Task

STORED_WITHIN_SECONDS = 30.0


@contextmanager
def a_file_in_place_of(directory: Path) -> Iterator[None]:
    """Nothing can be written into it; unlike permissions that holds for root as well."""
    aside = directory.with_name("aside")
    there = directory.exists()
    if there:
        directory.rename(aside)
    directory.write_bytes(b"")
    try:
        yield
    finally:
        directory.unlink()
        if there:
            aside.rename(directory)


def postpone(scene: Scene, task: Task) -> str:
    """The reason on the timeline of a job whose rescue did not work."""

    def reason() -> str | None:
        lines = (scene.client.find(task.id) or {"timeline": []})["timeline"]
        said = [line["detail"]["reason"] for line in lines if line["event"] == "rescue.retried"]
        return said[-1] if said else None

    return wait_for("the rescue is put off", reason)


def readiness(scene: Scene) -> dict[str, Any]:
    body: dict[str, Any] = requests.get(f"{scene.installation.url}/readyz", timeout=10).json()
    return body


def test_a_directory_that_refuses_is_tried_again_and_said_on_the_job(scene: Scene) -> None:
    year = scene.installation.media / datetime.now(UTC).strftime("%Y")
    with a_file_in_place_of(year):
        task = scene.generate()
        reason = postpone(scene, task)
        assert "storage" in reason and str(scene.installation.media) not in reason
        assert scene.client.job(task.id)["status"] == "ready"
        assert scene.staged() == []
    job = scene.stored(task, STORED_WITHIN_SECONDS)
    assert job["source"] == "callback" and scene.polls(task) == []
    assert len(scene.objects(task)) == 1
    scene.settled()


def test_a_storage_that_takes_nothing_in_is_said_in_readiness_until_it_heals(scene: Scene) -> None:
    with a_file_in_place_of(scene.installation.media / ".staging"):
        task = scene.generate()
        assert "storage" in postpone(scene, task)
        said = readiness(scene)
        assert said["status"] == "not ready"
        assert [part for part, words in said["checks"].items() if words != "ok"] == ["storage"]
    assert readiness(scene)["status"] == "ready"
    scene.stored(task, STORED_WITHIN_SECONDS)
    scene.settled()


@pytest.mark.skipif(sys.platform != "linux", reason="the limit of another process is Linux's")
def test_a_disk_that_is_full_in_the_middle_of_a_file_leaves_no_partial_one(scene: Scene) -> None:
    (worker,) = scene.installation.worker
    unlimited = resource.prlimit(worker.pid, resource.RLIMIT_FSIZE)
    resource.prlimit(worker.pid, resource.RLIMIT_FSIZE, (1_000_000, unlimited[1]))
    task = scene.generate(size=1_500_000)
    assert "storage" in postpone(scene, task)
    assert scene.staged() == [] and scene.objects(task) == []
    scene.stored(scene.generate(size=50_000))
    assert scene.client.job(task.id)["status"] == "ready"
    resource.prlimit(worker.pid, resource.RLIMIT_FSIZE, unlimited)
    scene.stored(task, STORED_WITHIN_SECONDS)
    scene.settled()


def test_a_storage_that_is_missing_for_a_while_costs_nothing(scene: Scene) -> None:
    kept = scene.generate()
    scene.stored(kept)
    media = scene.installation.media
    aside = media.rename(media.with_name("unmounted"))
    media.write_bytes(b"")  # as when a mount is gone and nothing may be made in its place
    task = scene.generate()
    postpone(scene, task)
    media.unlink()
    aside.rename(media)
    scene.stored(task, STORED_WITHIN_SECONDS)
    scene.stored(kept)
    scene.settled()
