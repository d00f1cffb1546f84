"""Files that went the whole way: made by the sandbox, rescued by the worker, linked to by us."""

import json
from datetime import datetime
from typing import Any, NamedTuple

from tests.harness.patience import wait_for
from tests.harness.scene import Scene

IMAGE_BYTES = 1_000_000
VIDEO_BYTES = 300_000_000
PATIENCE_SECONDS = 90.0


class File(NamedTuple):
    """A kept file: its link, its key in the storage, its size, and what its rescue took."""

    url: str
    key: str
    size: int
    seconds: float


def image(scene: Scene) -> File:
    return _kept(scene, "flux-2-pro", "jpeg", IMAGE_BYTES)


def video(scene: Scene) -> File:
    return _kept(scene, "flux-3-video", "mp4", VIDEO_BYTES)


def _kept(scene: Scene, model: str, form: str, size: int) -> File:
    task = scene.generate(model, format=form, size=size)
    job = scene.client.wait_for(task.id, timeout=PATIENCE_SECONDS)
    if job["status"] != "stored":
        raise RuntimeError(json.dumps(job))
    wait_for("its thumbnail", lambda: task.id not in scene.undrawn(), PATIENCE_SECONDS)
    (key,), medium = scene.keys(task), job["media"][0]
    return File(medium["url"], key, medium["bytes"], _seconds(job))


def _seconds(job: dict[str, Any]) -> float:
    """From the callback to the end."""
    at = {line["event"]: datetime.fromisoformat(line["at"]) for line in job["timeline"]}
    return (at["job.stored"] - at["callback.accepted"]).total_seconds()
