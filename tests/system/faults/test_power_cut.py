"""Order of fsync calls: the state on the disk at any moment of a power cut."""

import json
from pathlib import Path

import pytest

from tests.harness import Installation, Stack
from tests.sandbox import Sandbox

pytestmark = pytest.mark.slow
SPY = Path(__file__).with_name("spy")


def test_bytes_then_names_are_on_the_disk_before_the_commit(
    stopped_installation: Installation, sandbox: Sandbox, tmp_path: Path
) -> None:
    installation, log = stopped_installation, tmp_path / "fsyncs"
    installation.start("web", "sweep")
    installation.start("worker", PYTHONPATH=str(SPY), FSYNC_LOG=str(log))
    task = Stack(sandbox, installation).generate(format="jpeg")
    installation.client().wait_for(task.id, "stored")
    syncs = [json.loads(line) for line in log.read_text().splitlines()]
    for staged in syncs[:2]:
        assert "/.staging/" in staged["path"] and staged["published"] == []

    # The thumbnail follows the commit. Before it, the directories are new and synced once.
    both = [sync for sync in syncs[2:] if len(sync["published"]) == 2]
    image, sidecar = sorted(map(Path, both[0]["published"]), key=lambda path: path.suffix != ".jpg")
    assert (image.suffix, sidecar) == (".jpg", image.with_suffix(".json"))
    parents = (path for path in image.parents if path.is_relative_to(installation.media))
    directories = [str(path) for path in parents]
    assert [sync["path"] for sync in syncs[2 : 2 + len(directories)]] == directories
    assert syncs[2] in both
