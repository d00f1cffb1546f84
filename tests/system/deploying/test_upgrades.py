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


def previous_revision() -> str:
    """The revision to upgrade from; skips the test when this clone has none."""
    if tag := git("describe", "--tags", "--abbrev=0", "HEAD~1"):
        return tag.decode().strip()
    if git("rev-parse", "--verify", "--quiet", "HEAD~1^{commit}") is None:
        pytest.skip("no earlier commit: this is no clone, or a shallow one (git fetch --unshallow)")
    if git("diff", "--quiet", "HEAD~1", "--", *STORED_FORMAT) is None:
        pytest.skip("unreleased, and the last commit changed what is stored")
    return "HEAD~1"


@pytest.fixture
def previous(tmp_path: Path) -> Path:
    archive = git("archive", previous_revision())
    assert archive is not None
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        tar.extractall(tmp_path / "previous", filter="data")
    return tmp_path / "previous"


def start(stack: Stack, code: Path, *names: str) -> None:
    """Start processes of one version, as its own Procfile says."""
    stack.installation.code, stack.installation.commands = code, procfile.commands(code)
    stack.installation.start(*names)


def submit(stack: Stack) -> list[str]:
    return [stack.client.submit(prompt="a lighthouse")["id"] for _ in range(SUBMISSIONS)]


@pytest.mark.timeout(600)
@pytest.mark.parametrize("old", [("worker",), ("web", "sweep")], ids=["worker", "web"])
def test_an_upgrade_under_load_loses_nothing(
    tmp_path: Path, previous: Path, old: tuple[str, ...]
) -> None:
    new = tuple({"web", "worker", "sweep"} - {*old})
    with stopped_stack(tmp_path) as stack:
        stack.sandbox.settings.max_active = 1000
        for code, names in sorted([(previous, old), (procfile.ROOT, new)], key=has_no_web):
            start(stack, code, *names)
        load = Load(stack)
        with load.running():
            load.goes_on()
            submitted = submit(stack)
            stack.installation.stop(*old)
            start(stack, procfile.ROOT, *old)
            load.goes_on()
        submitted += submit(stack)
        wait_for("all are acknowledged", lambda: load.acknowledged(load.tasks), 90)
        for task in load.tasks:
            stack.stored(task, 60)
        for job_id in submitted:
            assert stack.client.wait_for(job_id, timeout=60)["status"] == "stored"
        assert len(stack.settled()) == len(load.tasks) + len(submitted)


def has_no_web(version: tuple[Path, tuple[str, ...]]) -> bool:
    """Web first: `wait_until_ready` asks it."""
    return "web" not in version[1]
