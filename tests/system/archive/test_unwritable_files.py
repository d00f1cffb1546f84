"""A database file that cannot be written stops the start, with the name of its variable."""

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from jobs.archive.file_access import write_problem
from tests.harness import Installation
from tests.harness.command_line import CommandLine
from tests.harness.doctor_output import failed

NOBODY = 65534


def impossible_path(kind: str, directory: Path) -> Path:
    """A path at which no user can make a file: root, too, as tests run."""
    file = directory / "file"
    file.touch()
    if kind == "directory":
        return directory
    if kind == "kernel":
        return Path("/proc/fluxkeep/archive.db")
    return file / "archive.db"


@pytest.mark.parametrize("kind", ["below a file", "directory", "kernel"])
def test_a_release_fails_for_a_database_file_that_cannot_be_written(
    kind: str, stopped_installation: Installation, tmp_path: Path
) -> None:
    shell = CommandLine(stopped_installation)
    url = f"sqlite:///{impossible_path(kind, tmp_path)}"
    result = shell.run("doctor", "--release", DATABASE_URL=url)
    assert failed(result) == ["database"]


def test_a_release_makes_the_database_file_and_passes(
    stopped_installation: Installation, tmp_path: Path
) -> None:
    shell = CommandLine(stopped_installation)
    path = tmp_path / "not/yet/there.db"
    result = shell.run("doctor", "--release", DATABASE_URL=f"sqlite:///{path}")
    assert failed(result) == []
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


@pytest.fixture
def another_user() -> Iterator[None]:
    """This process as a user without rights, if it is root."""
    if os.geteuid() != 0:
        pytest.skip("only root can make files that it may not write as another user")
    os.setresuid(NOBODY, NOBODY, 0)
    try:
        yield
    finally:
        os.setresuid(0, 0, 0)


@pytest.fixture
def shared_directory(tmp_path: Path) -> Path:
    for directory in (tmp_path, *tmp_path.parents[:3]):
        if directory.owner() == "root":
            directory.chmod(directory.stat().st_mode | 0o055)
    return tmp_path


def test_a_file_of_another_user_cannot_be_written(
    shared_directory: Path, request: pytest.FixtureRequest
) -> None:
    theirs = shared_directory / "theirs"
    theirs.mkdir(0o755)
    (theirs / "archive.db").touch(0o600)
    ours = shared_directory / "ours"
    ours.mkdir()
    ours.chmod(0o777)
    (ours / "archive.db").touch(0o644)
    request.getfixturevalue("another_user")
    assert "directory of the file" in write_problem(theirs / "archive.db")
    assert "may not write the file" in write_problem(ours / "archive.db")
    assert write_problem(ours / "new.db") == ""
    assert "cannot be made" in write_problem(theirs / "below/archive.db")
