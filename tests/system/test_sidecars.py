"""Beside each object a small `.json`, so that a storage explains itself without Redis."""

import json
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import pytest

from tests.harness import S3Server
from tests.harness.scene import Scene, running_scene
from tests.sandbox import Task


@pytest.fixture(scope="module", params=["directory", "bucket"])
def scene(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, s3_server: S3Server
) -> Iterator[Scene]:
    bucket = s3_server.bucket(f"keep-{uuid4()}") if request.param == "bucket" else None
    with running_scene(tmp_path_factory.mktemp("sidecars"), bucket=bucket) as running:
        yield running


def beside(scene: Scene, task: Task) -> list[dict[str, Any]]:
    keys = sorted(key for key in scene.installation.shelf.sizes() if f"/{task.id}-" in key)
    notes = [key for key in keys if key.endswith(".json")]
    assert [key.rpartition(".")[0] for key in notes] == [
        key.rpartition(".")[0] for key in scene.keys(task)
    ]
    return [json.loads(scene.installation.shelf.read(key)) for key in notes]


def shown(scene: Scene, task: Task) -> dict[str, Any]:
    """The job as its user sees it, without what dies."""
    job = scene.client.job(task.id)
    media = [{**medium, "url": None, "thumbnail_url": None} for medium in job["media"]]
    return {**job, "media": media}


def test_an_object_is_explained_as_its_user_sees_it(scene: Scene) -> None:
    task = scene.generate(webhook_url=scene.webhook_url)
    scene.expect(task, model="flux-2-pro", metadata={"user": "Zoë"})
    scene.drawn(task)
    (note,) = beside(scene, task)
    assert note.pop("format") == 1
    assert note.pop("ended_at") <= note["updated_at"] and note.pop("request") is None
    (medium,) = note["media"]
    assert [medium.pop("key")] == scene.keys(task)
    small = medium.pop("thumbnail")
    assert scene.installation.shelf.sha256(small["key"]) == small["sha256"]
    medium |= {"url": None, "thumbnail_url": None}
    assert note == shown(scene, task)
    assert note["status"] == "stored" and note["metadata"] == {"user": "Zoë"}


def test_nothing_in_it_dies_or_opens_anything(scene: Scene) -> None:
    task = scene.generate()
    scene.expect(task, metadata={"note": "sample"})
    scene.drawn(task)
    text = json.dumps(beside(scene, task))
    for word in ("sig=", "/media/", "http://", "https://", "canary", "lease", "fencing"):
        assert word not in text


def test_what_is_said_of_a_stored_job_is_said_beside_it_too(scene: Scene) -> None:
    task = scene.generate()
    scene.stored(task)
    scene.expect(task, metadata={"album": "fog"}, model="flux-2-pro")
    (note,) = beside(scene, task)
    assert (note["metadata"], note["model"]) == ({"album": "fog"}, "flux-2-pro")
    scene.settled()


def test_a_forgotten_job_leaves_nothing(scene: Scene) -> None:
    task = scene.generate()
    scene.drawn(task)
    assert scene.client.request("DELETE", f"/api/jobs/{task.id}").status_code == 204
    assert [key for key in scene.installation.shelf.sizes() if task.id in key] == []


def test_a_job_that_is_not_stored_has_none(scene: Scene) -> None:
    task = scene.generate(outcome="content_moderated")
    scene.client.wait_for(task.id)
    assert [key for key in scene.installation.shelf.sizes() if task.id in key] == []
