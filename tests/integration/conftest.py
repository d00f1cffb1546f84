"""The store, services and a worker, over a Redis of each test."""

from pathlib import Path

import pytest
from flask.testing import FlaskClient
from redis import Redis

from jobs.services import Services
from jobs.store.job_store import JobStore
from tests.harness.local_worker import LocalWorker
from tests.harness.parts import api_over, services_over
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
def worker(
    redis: Redis, sandbox: Sandbox, tmp_path: Path, worker_settings: dict[str, str]
) -> LocalWorker:
    """A worker that submits to a sandbox, in the process of the test."""
    return LocalWorker.over(redis, sandbox, tmp_path, **worker_settings)


@pytest.fixture
def api(worker: LocalWorker) -> FlaskClient:
    """The API over the same services, for an administrator."""
    return api_over(worker.services)
