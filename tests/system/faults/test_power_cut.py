"""A power cut cannot be had in a test; what must be on the disk before what, can be seen."""

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
    stopped_installation.wait_until_ready()
    client = stopped_installation.client()
    task = sandbox.submit(
        "flux-2-pro",
        prompt="a power cut",
        webhook_url=f"{stopped_installation.url}/webhooks/bfl",
        webhook_secret=stopped_installation.settings["WEBHOOK_SECRET"],
    )
    client.wait_for(task.id, "stored")
    return [json.loads(line) for line in log.read_text().splitlines()]


def test_the_bytes_are_on_the_disk_before_the_object_appears(syncs: list[Any]) -> None:
    first = syncs[0]
    assert "/.staging/" in first["path"]
    assert first["published"] == []


def test_every_directory_down_to_the_object_is_on_the_disk_before_the_commit(
    syncs: list[Any], stopped_installation: Installation
) -> None:
    alone = [sync for sync in syncs if len(sync["published"]) == 1]
    after = [sync["path"] for sync in alone if "/.staging/" not in sync["path"]]
    media = stopped_installation.media
    published = Path(alone[0]["published"][0])
    wanted = [path for path in published.parents if path.is_relative_to(media)]
    assert published.suffix == ".jpg"
    assert after == [str(path) for path in wanted]


def test_what_explains_the_object_is_on_the_disk_before_the_commit(syncs: list[Any]) -> None:
    staged = [n for n, sync in enumerate(syncs) if "/.staging/" in sync["path"]]
    # The picture's bytes were first; what follows the explanation is its thumbnail.
    bytes_of_it, name_of_it = syncs[staged[1] : staged[1] + 2]
    assert "/.staging/" in bytes_of_it["path"] and len(bytes_of_it["published"]) == 1
    note, picture = sorted(name_of_it["published"], key=lambda path: path.endswith(".jpg"))
    assert note == str(Path(picture).with_suffix(".json"))
    assert name_of_it["path"] == str(Path(note).parent)
