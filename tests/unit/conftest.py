"""Servers of raw sockets."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from jobs.net import http_client
from tests.harness.delivery_host import DeliveryHost
from tests.harness.raw_server import RawServer


@pytest.fixture
def server() -> Iterator[RawServer]:
    server = RawServer()
    yield server
    server.close()


@pytest.fixture
def session(server: RawServer) -> Iterator[requests.Session]:
    """A session that may connect to the server, as to a sandbox."""
    with http_client.create_session(server.origin) as session:
        yield session


@pytest.fixture
def host(server: RawServer, session: requests.Session, tmp_path: Path) -> DeliveryHost:
    return DeliveryHost(server, session, tmp_path)
