"""Idle connections of a web process: they wait long, and end when places are short."""

import socket
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import gevent
import pytest
from gevent import socket as gevent_socket
from gunicorn.config import Config
from gunicorn.http.errors import NoMoreData

from deploy import gunicorn_parser
from deploy.gunicorn_connections import Connections, TimeoutSocket
from deploy.gunicorn_parser import BoundedParser
from tests.harness.wire import request

PLACES = 4
REQUEST = request(method="GET", target="/healthz")


class Server:
    """Connections as a web process keeps them, and their clients' ends."""

    def __init__(self, idle_seconds: float) -> None:
        self.connections = Connections(PLACES, idle_seconds)
        self._opened = ExitStack()

    def connect(self) -> tuple[socket.socket, "gevent.Greenlet[[Any], bool]"]:
        """A client's end, and whether a request came on it."""
        client, server_end = gevent_socket.socketpair()
        self._opened.enter_context(client)
        self._opened.enter_context(server_end)
        return client, gevent.spawn(self._serve, server_end)

    def _serve(self, server_end: socket.socket) -> bool:
        connection = TimeoutSocket(server_end, self.connections)
        with self.connections.place():
            return next(BoundedParser(Config(), connection, ""), None) is not None

    def close(self) -> None:
        self._opened.close()


@pytest.fixture
def server() -> Iterator[Server]:
    built = Server(idle_seconds=60)
    yield built
    built.close()


def test_a_connection_may_be_idle_for_longer_than_headers_may_take(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gunicorn_parser, "HEAD_SECONDS", 0.05)
    client, served = server.connect()
    gevent.sleep(0.2)
    client.sendall(REQUEST)
    assert served.get(timeout=10)


def test_slow_headers_have_a_limit_from_their_first_byte(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gunicorn_parser, "HEAD_SECONDS", 0.05)
    client, served = server.connect()
    client.sendall(REQUEST[:10])
    with pytest.raises(NoMoreData):
        served.get(timeout=10)


def test_an_idle_connection_ends_at_its_limit() -> None:
    server = Server(idle_seconds=0.05)
    _, served = server.connect()
    assert not served.get(timeout=10)
    server.close()


def test_the_longest_idle_connection_ends_when_places_are_short(server: Server) -> None:
    begun = [server.connect() for _ in range(PLACES - 1)]
    gevent.sleep(0.05)
    assert not any(served.ready() for _, served in begun)
    newest = server.connect()
    assert not begun[0][1].get(timeout=10)
    for client, served in (*begun[1:], newest):
        assert not served.ready()
        client.sendall(REQUEST)
        assert served.get(timeout=10)


def test_a_request_that_has_arrived_is_served_although_its_place_is_needed(server: Server) -> None:
    client, served = server.connect()
    gevent.sleep(0.05)
    client.sendall(REQUEST)
    # Nothing has read it yet: the connection still counts as idle.
    for _ in range(PLACES - 1):
        server.connections.place().__enter__()
    assert served.get(timeout=10)


def test_a_process_that_stops_waits_for_no_idle_connection(server: Server) -> None:
    _, served = server.connect()
    gevent.sleep(0.05)
    gevent.spawn(server.connections.stop)
    assert not served.get(timeout=10)
    _, late = server.connect()
    assert not late.get(timeout=10)
