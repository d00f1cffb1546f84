"""Connections to a database that does not answer."""

import socket
from concurrent.futures import ThreadPoolExecutor
from threading import Thread

import pytest

from jobs.archive.archive import open_archive
from jobs.domain.errors import ArchiveUnavailable
from tests.harness import PostgresServer, wait_for
from tests.harness.dns import FakeResolver


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


def test_the_name_of_a_host_is_looked_up_where_gevent_waits(
    postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """libpq asks a resolver of its own, in C: all requests of a web process would wait for it."""
    resolver = FakeResolver("database.test", ["127.0.0.2", "127.0.0.1"])
    monkeypatch.setattr(socket, "getaddrinfo", resolver)
    url = postgres_url.replace("127.0.0.1", "database.test")
    archive = open_archive(url, 1, lambda call: call())
    assert archive.get("unknown") is None and resolver.asked == 1
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
