"""A backup is put in the place of the SQLite file while processes have it open."""

import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import pytest

from jobs.archive import database
from jobs.archive.archive import Archive, open_archive
from jobs.archive.file_damage import SUFFIX
from jobs.domain.errors import ArchiveUnavailable
from receiver import checks
from receiver.checks.context import Context
from receiver.checks.result import Grade
from tests.harness import wait_for
from tests.harness.archive_installation import Archived, newest_first, stored_job
from tests.harness.parts import api_over
from tests.integration.archive.conftest import Build

OLD, NEW = range(200), range(200, 700)  # jobs before the backup and after it
PASSES = 3


@pytest.fixture
def database_url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/archive.db"


@pytest.fixture
def web(database_url: str) -> Iterator[Archive]:
    """Another process that has the file open."""
    archive = open_archive(database_url, 1, lambda call: call())
    yield archive
    archive.close()


class Situation:
    """An installation with rows that a backup lacks."""

    def __init__(self, archived: Archived, web: Archive, file: Path) -> None:
        self.archived = archived
        self.web = web
        self.file = file
        self.backup = file.with_name("yesterday.db")
        archived.archive.put([stored_job(n) for n in OLD], 1.0)
        archived.pass_over(1)
        with closing(sqlite3.connect(file)) as opened:
            opened.execute("VACUUM INTO ?", [str(self.backup)])
        for first in NEW[::50]:
            archived.archive.put([stored_job(n) for n in range(first, first + 50)], 2.0)
        web.counts()

    def run_passes(self) -> list[str]:
        """What the sweep says in a few passes."""
        reasons = []
        for _ in range(PASSES):
            try:
                self.archived.sweep.run_pass()
            except ArchiveUnavailable as error:
                reasons.append(str(error))
        return reasons

    def is_damage_noticed(self) -> bool:
        return any("its file is damaged" in reason for reason in self.run_passes())

    def shown(self) -> tuple[Grade, str]:
        """By doctor, and by `/readyz`, which are one."""
        services = self.archived.services
        chosen = tuple(check for check in checks.CHECKS if check.name in ("redis", "database"))
        result = list(checks.run(Context(services.settings, services), chosen))[-2]
        answer: Any = api_over(services).get("/readyz").get_json()
        assert answer["checks"]["database"] == ("ok" if result.grade is Grade.OK else result.why)
        return result.grade, result.why

    def restore_as_documented(self) -> None:
        """docs/archive.md."""
        for end in ("-wal", "-shm"):
            self.file.with_name(self.file.name + end).unlink(missing_ok=True)
        copy = self.file.with_name("new.db")
        shutil.copy(self.backup, copy)
        copy.rename(self.file)


@pytest.fixture
def situation(
    build: Build, web: Archive, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Situation:
    monkeypatch.setattr(database, "RETRY_SECONDS", 0.0)
    return Situation(build(), web, tmp_path / "archive.db")


def move(situation: Situation) -> None:
    shutil.copy(situation.backup, situation.file.with_name("copy.db"))
    situation.file.with_name("copy.db").rename(situation.file)


def copy(situation: Situation) -> None:
    shutil.copy(situation.backup, situation.file)


def overwrite(situation: Situation) -> None:
    """Bytes that are no database."""
    situation.file.write_bytes(b"x" * 100_000)


def cut(situation: Situation) -> None:
    """A copy that was interrupted."""
    assert situation.archived.archive._database.erase_log()  # noqa: SLF001
    with situation.file.open("r+b") as file:
        file.truncate(situation.file.stat().st_size // 2)


@pytest.mark.parametrize("replace_file", [move, copy, overwrite, cut])
def test_a_file_that_is_damaged_by_a_restore_is_noticed_said_and_restored(
    situation: Situation, replace_file: Callable[[Situation], None]
) -> None:
    replace_file(situation)
    # The next check of the file waits for fifty times what the last one took.
    wait_for("the damage is noticed", situation.is_damage_noticed)
    grade, why = situation.shown()
    assert grade is Grade.WARNING and "its file is damaged" in why
    with pytest.raises(ArchiveUnavailable):  # a damaged file would say that a job is unknown
        situation.web.get(stored_job(0).id)
    situation.restore_as_documented()
    wait_for("the restored file is used", lambda: situation.run_passes() == [])
    assert situation.shown()[0] is Grade.OK
    assert sum(situation.web.counts().values()) == len(OLD)
    situation.archived.archive.put([stored_job(n) for n in NEW], 3.0)
    assert sum(situation.web.counts().values()) == len(OLD) + len(NEW)
    assert not situation.file.with_name(situation.file.name + SUFFIX).exists()


def test_the_documented_way_works_beneath_running_processes(situation: Situation) -> None:
    situation.restore_as_documented()
    assert situation.run_passes() == []
    assert situation.shown()[0] is Grade.OK
    assert sum(situation.web.counts().values()) == len(OLD)
    jobs = [stored_job(n) for n in range(700, 720)]
    situation.archived.put(*jobs)
    situation.archived.pass_over()
    assert situation.archived.walk(limit=200)[: len(jobs)] == newest_first(jobs)


def test_a_backup_copied_over_a_file_with_an_empty_log_is_used_in_the_end(
    situation: Situation,
) -> None:
    """Nothing is damaged; the processes that have the file open must let go of it first."""
    assert situation.archived.archive._database.erase_log()  # noqa: SLF001
    situation.web.counts()
    copy(situation)

    def is_used() -> bool:
        with suppress(ArchiveUnavailable):
            situation.web.counts()
        return situation.run_passes() == []

    wait_for("the file is used", is_used)
    assert sum(situation.web.counts().values()) == len(OLD)


def test_a_file_that_only_grows_is_never_called_damaged(situation: Situation) -> None:
    for n in range(800, 830):
        situation.archived.archive.put([stored_job(n)], 3.0)
        assert situation.run_passes() == []
    assert situation.shown()[0] is Grade.OK
