"""Beside each object a small `.json`, so that a storage explains itself without Redis."""

import json
from typing import Any

from tests.harness import Stack
from tests.sandbox import Task

STORAGES = ("directory", "bucket")


def beside(stack: Stack, task: Task) -> list[dict[str, Any]]:
    keys = sorted(key for key in stack.installation.stored_objects.sizes() if f"/{task.id}-" in key)
    notes = [key for key in keys if key.endswith(".json")]
    assert [key.rpartition(".")[0] for key in notes] == [
        key.rpartition(".")[0] for key in stack.keys(task)
    ]
    return [json.loads(stack.installation.stored_objects.read(key)) for key in notes]


def shown(stack: Stack, task: Task) -> dict[str, Any]:
    """The job as its user sees it, without what dies."""
    job = stack.client.job(task.id)
    media = [{**medium, "url": None, "thumbnail_url": None} for medium in job["media"]]
    return {**job, "media": media}


def test_an_object_is_explained_as_its_user_sees_it(stack: Stack) -> None:
    task = stack.generate(format="jpeg")
    stack.expect(task, model="flux-2-pro", metadata={"user": "Zoë"})
    stack.stored_with_thumbnails(task)
    (note,) = beside(stack, task)
    assert note.pop("format") == 1
    assert note.pop("ended_at") <= note["updated_at"] and note.pop("request") is None
    (medium,) = note["media"]
    assert [medium.pop("key")] == stack.keys(task)
    small = medium.pop("thumbnail")
    assert stack.installation.stored_objects.sha256(small["key"]) == small["sha256"]
    medium |= {"url": None, "thumbnail_url": None}
    assert note == shown(stack, task)
    assert note["status"] == "stored" and note["metadata"] == {"user": "Zoë"}


def test_nothing_in_it_dies_or_opens_anything(stack: Stack) -> None:
    task = stack.generate()
    stack.expect(task, metadata={"note": "sample"})
    stack.stored_with_thumbnails(task)
    text = json.dumps(beside(stack, task))
    for word in ("sig=", "/media/", "http://", "https://", "canary", "lease", "fencing"):
        assert word not in text


def test_changes_of_a_stored_job_are_in_its_sidecar(stack: Stack) -> None:
    task = stack.generate()
    stack.stored(task)
    stack.expect(task, metadata={"album": "fog"}, model="flux-2-pro")
    (note,) = beside(stack, task)
    assert (note["metadata"], note["model"]) == ({"album": "fog"}, "flux-2-pro")
    stack.settled()
