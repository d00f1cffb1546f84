"""The situations tests begin in: a Redis, a BFL, a Fluxkeep that runs."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.harness import Client, Installation, RedisServer
from tests.sandbox import Sandbox


@pytest.fixture
def redis_server(tmp_path: Path) -> Iterator[RedisServer]:
    """A real Redis with an append-only file, on a port of its own."""
    server = RedisServer(tmp_path / "redis")
    yield server
    server.kill()


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    """A local BFL in this process."""
    with Sandbox() as box:
        yield box


@pytest.fixture
def stopped_installation(
    tmp_path: Path, redis_server: RedisServer, sandbox: Sandbox
) -> Iterator[Installation]:
    """A Fluxkeep of which nothing runs yet: change `settings`, then `start`."""
    installation = Installation(tmp_path, redis_server, sandbox.url)
    yield installation
    installation.close()


@pytest.fixture
def installation(stopped_installation: Installation) -> Installation:
    """Web, worker and sweep are running."""
    stopped_installation.start()
    stopped_installation.wait_until_ready()
    return stopped_installation


@pytest.fixture
def client(installation: Installation) -> Client:
    """Its user, with the admin key and the webhook secret."""
    return installation.client()
