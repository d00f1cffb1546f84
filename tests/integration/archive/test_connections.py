"""Connections to a database that does not answer."""

import logging
import socket
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Thread
from typing import Any

import psycopg
import pytest

from jobs.archive import database, postgres, sqlite
from jobs.archive.archive import open_archive
from jobs.domain.errors import ArchiveUnavailable
from tests.harness import PostgresServer, wait_for
from tests.harness.archive_installation import stored_job
from tests.harness.dns import FakeResolver

FULL = "PRAGMA max_page_count = 50"
# What a command does, or a sweep that stops.
OTHER_PROCESS = """
import sys
from jobs.archive.archive import open_archive
from tests.harness.archive_installation import stored_job
archive = open_archive(sys.argv[1], 1, lambda call: call())
archive.put([stored_job(int(sys.argv[2]))], 1.0)
archive.close()
"""


def test_callers_who_wait_for_a_connection_do_not_try_a_database_that_has_failed() -> None:
    accepted: list[socket.socket] = []
    with socket.create_server(("127.0.0.1", 0)) as silent, ThreadPoolExecutor(2) as pool:
        Thread(target=lambda: accepted.append(silent.accept()[0]), daemon=True).start()
        url = f"postgresql://u:p@127.0.0.1:{silent.getsockname()[1]}/d"
        archive = open_archive(url, 1, lambda call: call())
        first = pool.submit(archive.get, "a")
        wait_for("a connection", lambda: accepted)
        second = pool.submit(archive.get, "b")
        for each in (first, second):
            with pytest.raises(ArchiveUnavailable):
                each.result(30)
        silent.setblocking(False)
        with pytest.raises(BlockingIOError):  # nobody else has connected
            silent.accept()
    accepted[0].close()


def test_gevent_looks_up_the_host(postgres_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """libpq asks a resolver of its own, in C: all requests of a web process would wait for it."""
    resolver = FakeResolver("database.test", ["127.0.0.2", "127.0.0.1"])
    monkeypatch.setattr(socket, "getaddrinfo", resolver)
    url = postgres_url.replace("127.0.0.1", "database.test")
    archive = open_archive(url, 1, lambda call: call())
    assert archive.get("unknown") is None and resolver.asked == 1
    archive.close()


def test_of_two_processes_that_meet_an_empty_database_one_makes_the_tables(
    postgres_server: PostgresServer, postgres_url: str
) -> None:
    archive = open_archive(postgres_url, 1, lambda call: call())
    with postgres_server.client() as admin, ThreadPoolExecutor(1) as pool:

        def is_waiting() -> bool:
            waiting: Any = admin.execute("SELECT count(*) FROM pg_locks WHERE NOT granted")
            return bool(waiting.fetchone()[0])

        with psycopg.connect(postgres_url) as first:
            first.execute("SELECT pg_advisory_xact_lock(%s)", [postgres.MIGRATION_LOCK])
            second = pool.submit(archive.get, "unknown")
            wait_for("the other one waits", is_waiting)
            postgres._migrate(first)  # noqa: SLF001 - as the first process does it
        assert second.result(30) is None
    archive.close()


def test_a_host_has_a_name_and_a_password_any_character(postgres_server: PostgresServer) -> None:
    with postgres_server.client() as admin, postgres_server.database() as name:
        admin.execute("CREATE ROLE \"odd@user\" LOGIN SUPERUSER PASSWORD 'a@b:c/%#? é'")
        secret = "odd%40user:a%40b%3Ac%2F%25%23%3F%20%C3%A9"
        for host in ("localhost", "127.0.0.1"):
            url = f"postgres://{secret}@{host}:{postgres_server.port}/{name}"
            archive = open_archive(url, 1, lambda call: call())
            assert archive.get("unknown") is None
            archive.close()
        admin.execute(f'REASSIGN OWNED BY "odd@user" TO {"fluxkeep"}')
        with postgres_server.client(name) as client:
            client.execute('REASSIGN OWNED BY "odd@user" TO fluxkeep')
            client.execute('DROP OWNED BY "odd@user"')
        admin.execute('DROP ROLE "odd@user"')


def test_processes_that_end_leave_the_log_of_a_file_to_others(tmp_path: Path) -> None:
    """The last one deletes it. A process that closes the file itself loses all its locks on it."""
    url = f"sqlite:///{tmp_path}/archive.db"
    archive = open_archive(url, 2, lambda call: call())
    assert archive.counts() == {}
    archive._database.transact(lambda _: archive.counts())  # noqa: SLF001 - a second connection
    for n in range(3):
        program = [sys.executable, "-c", OTHER_PROCESS, url, str(n)]
        subprocess.run(program, check=True, timeout=60)
        assert sum(archive.counts().values()) == n + 1
    archive.close()
    assert not archive._database._pool._idle  # noqa: SLF001 - both are closed


def test_a_full_disk_is_noted_once_until_there_is_room(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A sweep reads before it writes, and reading goes on."""
    caplog.set_level(logging.INFO)
    monkeypatch.setattr(database, "RETRY_SECONDS", 0.0)
    archive = open_archive(f"sqlite:///{tmp_path}/archive.db", 1, lambda call: call())
    archive.put([stored_job(0)], 1.0)
    with monkeypatch.context() as patched:
        patched.setattr(sqlite, "_SETTINGS", (*sqlite._SETTINGS, FULL))  # noqa: SLF001
        archive.close()
        for _ in range(3):
            with pytest.raises(ArchiveUnavailable, match="SQLITE_FULL"):
                archive.put([stored_job(n) for n in range(1, 300)], 1.0)
            assert archive.get(stored_job(0).id) is not None
    archive.close()
    archive.put([stored_job(1)], 1.0)
    notes = [record.message for record in caplog.records if record.name == database.log.name]
    assert notes == ["database: SQLITE_FULL", "the database answers again"]
    archive.close()
