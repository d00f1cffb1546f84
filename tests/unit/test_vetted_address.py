"""The address that was vetted is the one that is connected to; one bad one spoils a name."""

import socket
from collections.abc import Iterator
from typing import Any

import pytest

from jobs.errors import UrlRefused
from jobs.net import http_client
from jobs.net.urls import Origin, ParsedUrl
from tests.harness.dns import FakeResolver
from tests.harness.raw_server import RawServer

PUBLIC = "93.184.215.14"


@pytest.fixture
def server() -> Iterator[RawServer]:
    server = RawServer()
    yield server
    server.close()


def test_a_name_is_not_resolved_again_after_it_was_vetted(
    server: RawServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = FakeResolver("localhost", ["127.0.0.1"], ["192.0.2.1"])
    monkeypatch.setattr(socket, "getaddrinfo", names)
    origin = Origin("http", "localhost", server.port)
    with (
        http_client.create_session(origin) as session,
        http_client.send_request(session, ParsedUrl(origin, "/"), seconds=2) as response,
    ):
        assert response.status_code == 200
    assert names.asked == 1
    assert b"Host: localhost:%d\r\n" % server.port in server.heads[0]


@pytest.mark.parametrize("addresses", [[PUBLIC, "127.0.0.1"], ["127.0.0.1", PUBLIC]])
def test_a_name_with_one_refused_address_is_refused(
    monkeypatch: pytest.MonkeyPatch, addresses: list[str]
) -> None:
    tried: list[Any] = []
    monkeypatch.setattr(socket, "getaddrinfo", FakeResolver("delivery.bfl.ai", addresses))
    monkeypatch.setattr(socket, "create_connection", lambda where, *_: tried.append(where))
    address = ParsedUrl(Origin("https", "delivery.bfl.ai", 443), "/")
    with (
        http_client.create_session(None) as session,
        pytest.raises(UrlRefused),
        http_client.send_request(session, address, seconds=2),
    ):
        pass
    assert tried == []


def test_the_name_of_the_sandbox_may_only_lead_to_this_machine(
    server: RawServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(socket, "getaddrinfo", FakeResolver("localhost", [PUBLIC]))
    origin = Origin("http", "localhost", server.port)
    with (
        http_client.create_session(origin) as session,
        pytest.raises(UrlRefused),
        http_client.send_request(session, ParsedUrl(origin, "/"), seconds=2),
    ):
        pass
