"""The store, the services of a sweeper and a worker that submits, over a Redis of each test."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from flask.testing import FlaskClient
from redis import Redis

from jobs.services import Services
from jobs.store.job_store import JobStore
from receiver.app import create_app
from tests.harness import RedisServer
from tests.harness.parts import services_over
from tests.harness.worker_environment import KEY, WorkerEnvironment, built
from tests.sandbox import Sandbox


@pytest.fixture
def store(services: Services) -> JobStore:
    return services.store


@pytest.fixture
def services(redis: Redis, tmp_path: Path) -> Services:
    return services_over(redis, MEDIA_URL=(tmp_path / "media").as_uri())


@pytest.fixture
def worker_settings() -> dict[str, str]:
    """More settings of the local worker."""
    return {}


@pytest.fixture
def local_worker(
    redis_server: RedisServer, tmp_path: Path, sandbox: Sandbox, worker_settings: dict[str, str]
) -> Iterator[WorkerEnvironment]:
    """A worker that submits to a sandbox, in the process of the test."""
    settings = {"BFL_SANDBOX_URL": sandbox.url, "BFL_API_KEY": KEY, "MAX_ACTIVE": "9"}
    services = built(redis_server, tmp_path, **(settings | worker_settings))
    yield WorkerEnvironment(services, sandbox)
    services.redis.close()


@pytest.fixture
def api(local_worker: WorkerEnvironment) -> FlaskClient:
    """The API over the same services, for an administrator."""
    client = create_app(local_worker.services).test_client()
    client.environ_base["HTTP_X_KEY"] = "admin-key-of-tests"
    return client
