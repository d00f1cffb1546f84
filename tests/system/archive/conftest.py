"""A stack with a database, SQLite and PostgreSQL, whose sweep evicts what is due at once."""

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, closing, contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from jobs.archive.archive import open_archive
from jobs.domain.job import Job
from jobs.store.redis.keys import ARCHIVE_DUE, ENDED, ENDED_MEDIA
from tests.harness import PostgresServer, Stack, running_stack, wait_for, wait_for_none
from tests.harness.stock import put_in

EVICTED_WITHIN_SECONDS = 60.0


class ArchivingStack(NamedTuple):
    """A stack and its database: a server, or else a file."""

    stack: Stack
    server: PostgresServer | None
    file: Path

    def put_in_archive(self, jobs: Sequence[Job]) -> None:
        """Write jobs, and return when only the archive has them. A sweep must run."""
        due_now = {job.id: 0.0 for job in jobs}
        with self.stack.installation.redis.client() as redis:
            untyped: Any = redis
            put_in(redis, jobs)
            untyped.zadd(ARCHIVE_DUE, due_now)  # as the script does that ends a job
        self.evict()

    def evict(self) -> None:
        """Returns when only the archive has the jobs that have ended."""
        with self.stack.installation.redis.client() as redis:
            untyped: Any = redis

            def left() -> list[Any]:
                found = [
                    name for key in (ENDED, ENDED_MEDIA) for name in untyped.zrange(key, 0, -1)
                ]
                if found:  # as if a minute were over
                    untyped.zadd(ARCHIVE_DUE, dict.fromkeys(found, 0.0), xx=True)
                return found

            wait_for_none("jobs that have ended leave Redis", left, EVICTED_WITHIN_SECONDS)

    @contextmanager
    def database_away(self) -> Iterator[None]:
        """Stopped, or with a directory in the place of its file."""
        away = self.file.with_suffix(".away")
        if self.server:
            self.server.stop()
        else:
            self.file.rename(away)
            self.file.mkdir()
        yield
        if self.server:
            self.server.start()
        else:
            self.file.rmdir()
            away.rename(self.file)
        client = self.stack.client
        wait_for("it answers", lambda: client.get("/api/jobs/unknown").status_code == 404)

    def backup(self) -> AbstractContextManager[None]:
        """A backup, which is restored at the end beneath web processes that run."""
        return _backup_of_server(self.server, self.url) if self.server else _backup_of(self.file)

    @property
    def url(self) -> str:
        return self.stack.installation.settings["DATABASE_URL"] or ""

    def has_row(self, job_id: str) -> bool:
        """Seen by another process than those of the stack, which comes and goes."""
        archive = open_archive(self.url, 1, lambda call: call())
        try:
            return bool(archive.versions([job_id]))
        finally:
            archive.close()


@contextmanager
def _backup_of(file: Path) -> Iterator[None]:
    copy = file.with_suffix(".copy")
    with closing(sqlite3.connect(file)) as opened:
        opened.execute("VACUUM INTO ?", [str(copy)])
    yield
    for end in ("-wal", "-shm"):
        file.with_name(file.name + end).unlink(missing_ok=True)
    copy.rename(file)


@contextmanager
def _backup_of_server(server: PostgresServer, url: str) -> Iterator[None]:
    name = url.rpartition("/")[2]
    sql = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s"
    with server.client() as admin:
        admin.execute(sql, [name])
        admin.execute(f"CREATE DATABASE {name}_backup TEMPLATE {name}".encode())
        yield
        admin.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())
        admin.execute(f"CREATE DATABASE {name} TEMPLATE {name}_backup".encode())
        admin.execute(f"DROP DATABASE {name}_backup".encode())


@pytest.fixture(scope="module", params=["sqlite", "postgres"])
def archiving(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ArchivingStack]:
    """One for all tests of a module."""
    directory = tmp_path_factory.mktemp("stack")
    server: PostgresServer | None = None
    if request.param == "postgres":
        server = request.getfixturevalue("postgres_server")
    file = directory / "archive.db"
    with server.database() if server else pytest.MonkeyPatch.context() as name:
        url = server.url(str(name)) if server else f"sqlite:///{file}"
        with running_stack(directory, DATABASE_URL=url, HOT_DAYS="0") as stack:
            yield ArchivingStack(stack, server, Path(file))
