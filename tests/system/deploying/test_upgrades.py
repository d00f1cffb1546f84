"""Processes of the previous version work beside those of this one, and are replaced under load.

The previous version is the newest tag, or the last commit while there is no release.
"""

import io
import subprocess
import tarfile
from pathlib import Path

import pytest

from deploy import procfile
from tests.harness import Stack, stopped_stack, wait_for
from tests.harness.load import Load

pytestmark = pytest.mark.slow

SUBMISSIONS = 4
# Before the first release a commit may change what is stored, without reading what was before.
STORED_FORMAT = (
    "jobs/domain/job_record.py",
    "jobs/domain/status.py",
    "jobs/domain/timeline.py",
    "jobs/store",
)


def git(*arguments: str) -> bytes | None:
    """The output of a git command on this clone; None when it fails."""
    try:
        done = subprocess.run(
            ["git", "-C", procfile.ROOT, *arguments],  # noqa: S607 - wherever the system has it
            capture_output=True,
            check=False,
        )
    except FileNotFoundError:
        return None
    return done.stdout if done.returncode == 0 else None


@pytest.fixture
def previous(tmp_path: Path) -> Path:
    """The code to upgrade from; skips the test when this clone has none."""
    tag = git("describe", "--tags", "--abbrev=0", "HEAD~1")
    if not tag and git("rev-parse", "--verify", "--quiet", "HEAD~1^{commit}") is None:
        pytest.skip("no earlier commit: this is no clone, or a shallow one (git fetch --unshallow)")
    if not tag and git("diff", "--quiet", "HEAD~1", "--", *STORED_FORMAT) is None:
        pytest.skip("unreleased, and the last commit changed what is stored")
    archive = git("archive", tag.decode().strip() if tag else "HEAD~1")
    assert archive is not None
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        tar.extractall(tmp_path / "previous", filter="data")
    return tmp_path / "previous"


def start(stack: Stack, code: Path, *names: str) -> None:
    """Start processes of one version, as its own Procfile says."""
    stack.installation.code, stack.installation.commands = code, procfile.commands(code)
    stack.installation.start(*names)


@pytest.mark.timeout(600)
@pytest.mark.parametrize("old", [("worker",), ("web", "sweep")], ids=["worker", "web"])
def test_an_upgrade_under_load_loses_nothing(
    tmp_path: Path, previous: Path, old: tuple[str, ...]
) -> None:
    new = tuple({"web", "worker", "sweep"} - {*old})
    with stopped_stack(tmp_path) as stack:
        stack.sandbox.settings.max_active = 1000
        versions = [(previous, old), (procfile.ROOT, new)]
        for code, names in sorted(versions, key=lambda one: "web" not in one[1]):  # it is asked
            start(stack, code, *names)
        load = Load(stack)
        with load.running():
            load.goes_on()
            submitted = [stack.client.submit(prompt="a fox")["id"] for _ in range(SUBMISSIONS)]
            stack.installation.stop(*old)
            start(stack, procfile.ROOT, *old)
            load.goes_on()
        submitted.append(stack.client.submit(prompt="a fox")["id"])
        wait_for("all are acknowledged", lambda: load.acknowledged(load.tasks), 90)
        for task in load.tasks:
            stack.stored(task, 60)
        for job_id in submitted:
            assert stack.client.wait_for(job_id, timeout=60)["status"] == "stored"
        assert len(stack.settled()) == len(load.tasks) + len(submitted)
