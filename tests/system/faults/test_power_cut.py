"""Order of fsync calls: the state on the disk at any moment of a power cut."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.harness import Installation
from tests.sandbox import Sandbox

pytestmark = pytest.mark.slow
SPY = Path(__file__).with_name("spy")


@pytest.fixture
def syncs(stopped_installation: Installation, sandbox: Sandbox, tmp_path: Path) -> list[Any]:
    """Every fsync of a worker that stored one image, in order."""
    log = tmp_path / "fsyncs"
    stopped_installation.start("web", "sweep")
    stopped_installation.start("worker", PYTHONPATH=str(SPY), FSYNC_LOG=str(log))
    client = stopped_installation.client()
    task = sandbox.submit(
        "flux-2-pro",
        prompt="a power cut",
        webhook_url=f"{stopped_installation.url}/webhooks/bfl",
        webhook_secret=stopped_installation.settings["WEBHOOK_SECRET"],
    )
    client.wait_for(task.id, "stored")
    return [json.loads(line) for line in log.read_text().splitlines()]


def test_bytes_are_on_the_disk_before_an_object_appears(syncs: list[Any]) -> None:
    picture, sidecar = syncs[0], syncs[1]
    assert "/.staging/" in picture["path"] and "/.staging/" in sidecar["path"]
    assert picture["published"] == sidecar["published"] == []


def test_a_sidecar_and_its_directories_are_on_the_disk_before_the_object_appears(
    syncs: list[Any], stopped_installation: Installation
) -> None:
    alone = [sync for sync in syncs if len(sync["published"]) == 1]
    sidecar = Path(alone[0]["published"][0])
    media = stopped_installation.media
    directories = [str(path) for path in sidecar.parents if path.is_relative_to(media)]
    assert sidecar.suffix == ".json"
    assert [sync["path"] for sync in alone] == directories


def test_an_object_is_on_the_disk_before_the_commit(syncs: list[Any]) -> None:
    # Its thumbnail follows the commit.
    both = [
        sync for sync in syncs if len(sync["published"]) == 2 and ".staging" not in sync["path"]
    ]
    picture, sidecar = sorted(
        map(Path, both[0]["published"]), key=lambda path: path.suffix == ".json"
    )
    assert (picture.suffix, sidecar.stem) == (".jpg", picture.stem)
    # Its other directories were new with the sidecar, and are on the disk since then.
    assert both[0]["path"] == str(picture.parent)
