"""The PostgreSQL of the tests: its data survives a restart and a kill, on the same port."""

import os
import socket

import psycopg
import pytest

from tests.harness import PostgresServer, TcpProxy, processes


def connect(url: str) -> psycopg.Connection:
    return psycopg.connect(url, autocommit=True, connect_timeout=10)


def write(url: str, value: int) -> None:
    with connect(url) as client:
        client.execute("CREATE TABLE IF NOT EXISTS written (value int)")
        client.execute("INSERT INTO written VALUES (%s)", [value])


def written(url: str) -> list[int]:
    with connect(url) as client:
        return [row[0] for row in client.execute("SELECT value FROM written ORDER BY value")]


def test_it_answers_with_the_password_only(postgres_url: str) -> None:
    with connect(postgres_url) as client:
        assert client.info.server_version // 10_000 == 18
    with pytest.raises(psycopg.OperationalError, match="password"):
        connect(f"{postgres_url}?password=another")


def test_it_listens_on_loopback_only(postgres_server: PostgresServer) -> None:
    postgres_server.recover()
    with socket.socket() as elsewhere:
        elsewhere.bind(("127.0.0.2", postgres_server.port))


def test_it_does_not_run_as_root(postgres_server: PostgresServer) -> None:
    assert os.stat(f"/proc/{postgres_server.pid}").st_uid != 0  # noqa: PTH116 - follows no link


def test_each_test_has_an_empty_database(postgres_server: PostgresServer) -> None:
    with postgres_server.database() as first, postgres_server.database() as second:
        write(postgres_server.url(first), 1)
        with pytest.raises(psycopg.errors.UndefinedTable):
            written(postgres_server.url(second))


def test_a_database_may_be_the_copy_of_another(postgres_server: PostgresServer) -> None:
    with postgres_server.database() as first:
        write(postgres_server.url(first), 1)
        with postgres_server.database(template=first) as second:
            assert written(postgres_server.url(second)) == [1]


def test_a_restart_keeps_the_data(postgres_server: PostgresServer, postgres_url: str) -> None:
    write(postgres_url, 1)
    postgres_server.stop()
    with pytest.raises(psycopg.OperationalError):
        connect(postgres_url)
    postgres_server.start(fsync="on")
    with connect(postgres_url) as client:
        assert client.execute("SHOW fsync").fetchone() == ("on",)
    assert written(postgres_url) == [1]


def test_what_was_committed_survives_a_kill(
    postgres_server: PostgresServer, postgres_url: str
) -> None:
    write(postgres_url, 1)
    with connect(postgres_url) as open_one, open_one.transaction(force_rollback=True):
        open_one.execute("INSERT INTO written VALUES (2)")
        started = [postgres_server.pid, *processes.descendants(postgres_server.pid)]
        postgres_server.kill()
        assert len(started) > 2 and not any(map(processes.command_line, started))
        with pytest.raises(psycopg.OperationalError):
            open_one.execute("SELECT 1")
    postgres_server.start()
    assert written(postgres_url) == [1]


def test_a_paused_server_answers_once_it_is_resumed(
    postgres_server: PostgresServer, postgres_url: str
) -> None:
    write(postgres_url, 1)
    postgres_server.pause()
    with pytest.raises(psycopg.errors.ConnectionTimeout):
        psycopg.connect(postgres_url, connect_timeout=2)
    postgres_server.resume()
    assert written(postgres_url) == [1]


def test_a_proxy_may_cut_its_connections(
    postgres_server: PostgresServer, postgres_url: str
) -> None:
    proxy = TcpProxy(postgres_server.port)
    name = postgres_url.rpartition("/")[2]
    with connect(postgres_server.url_through(proxy.port, name)) as client:
        proxy.cut()
        with pytest.raises(psycopg.OperationalError):
            client.execute("SELECT 1")
    proxy.close()


def test_a_killed_server_runs_again_for_the_next_test(postgres_server: PostgresServer) -> None:
    with postgres_server.database():
        postgres_server.kill()
    with postgres_server.database() as name:
        write(postgres_server.url(name), 1)


def test_it_leaves_nothing_behind() -> None:
    server = PostgresServer()
    directory, pid = server.log.parent, server.pid
    server.close()
    assert not directory.exists() and not processes.command_line(pid)
