"""Media in an S3 server that ignores `If-None-Match`: rclone's, with real processes."""

import hashlib
from collections.abc import Iterator
from uuid import uuid4

import pytest
import requests

from tests.harness import RcloneServer
from tests.harness.patience import wait_for
from tests.harness.scene import Scene, running_scene
from tests.sandbox import Task

LARGE_BYTES = 300_000_000
STORED_WITHIN_SECONDS = 120.0

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RcloneServer]:
    running = RcloneServer(tmp_path_factory.mktemp("rclone"))
    yield running
    running.close()


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory, server: RcloneServer) -> Iterator[Scene]:
    bucket = server.bucket(f"keep-{uuid4()}")
    with running_scene(tmp_path_factory.mktemp("any-s3"), bucket=bucket) as running:
        yield running


def link(scene: Scene, task: Task) -> str:
    return str(scene.client.job(task.id)["media"][0]["url"])


def redirected(url: str, **headers: str) -> requests.Response:
    first = requests.get(url, headers=headers, timeout=30, allow_redirects=False)
    assert first.status_code == 302
    return requests.get(first.headers["Location"], headers=headers, timeout=60)


def streamed(url: str, **headers: str) -> requests.Response:
    """A download comes through the web process."""
    asked = f"{url}?download=1"
    return requests.get(asked, headers=headers, timeout=60, allow_redirects=False)


def test_a_picture_is_stored_linked_and_deleted(scene: Scene) -> None:
    task = scene.generate()
    job = scene.drawn(task)
    picture = scene.box.picture(task.id)
    assert redirected(link(scene, task)).content == picture
    assert redirected(link(scene, task)).headers["Content-Type"] == "image/jpeg"
    assert streamed(link(scene, task)).content == picture
    assert job["media"][0]["thumbnail_url"]
    part = streamed(link(scene, task), Range="bytes=10-19")
    assert (part.status_code, part.content) == (206, picture[10:20])
    # rclone itself says 200 to a range.
    assert redirected(link(scene, task), Range="bytes=10-19").content == picture[10:20]
    assert scene.client.request("DELETE", f"/api/jobs/{task.id}").status_code == 204
    assert not [key for key in scene.installation.shelf.sizes() if task.id in key]


def test_a_film_of_300_mb_goes_in_parts_to_its_own_name(scene: Scene) -> None:
    task = scene.generate(format="mp4", size=LARGE_BYTES, life=3600)
    job = scene.client.wait_for(task.id, "stored", timeout=STORED_WITHIN_SECONDS)
    (file,) = job["media"]
    (key,) = scene.keys(task)
    assert file["bytes"] == scene.installation.shelf.sizes()[key] == LARGE_BYTES
    digest = hashlib.sha256()
    with requests.get(file["url"], timeout=60, stream=True) as answer:
        for chunk in answer.iter_content(1_000_000):
            digest.update(chunk)
    assert digest.hexdigest() == file["sha256"]
    tail = streamed(link(scene, task), Range=f"bytes={LARGE_BYTES - 10}-")
    assert (tail.status_code, len(tail.content)) == (206, 10)


def test_two_workers_that_both_believe_to_own_a_job_leave_one_object(scene: Scene) -> None:
    """The first one is frozen in its download, and wakes up when the other one is at work."""
    installation = scene.installation
    task = scene.generate(size=1_000_000, drip=100_000)
    scene.wait_for_download(task)
    (frozen,) = installation.worker
    frozen.pause()
    installation.start("worker")
    scene.wait_for_download(task, 2)
    frozen.resume()
    job = scene.stored(task, STORED_WITHIN_SECONDS)
    wait_for("one object", lambda: len(scene.keys(task)) == 1)
    assert job["media"][0]["sha256"] == installation.shelf.sha256(scene.keys(task)[0])
    scene.settled()


def test_readiness_and_doctor_are_content(scene: Scene) -> None:
    checks = requests.get(f"{scene.installation.url}/readyz", timeout=30).json()["checks"]
    assert checks["storage"] == "ok"
