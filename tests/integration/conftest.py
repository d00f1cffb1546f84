"""The store, services and a worker, over a Redis of each test."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from flask.testing import FlaskClient
from redis import Redis

from jobs.services import Services
from jobs.storage.base import MediaStorage
from jobs.storage.bucket import BucketStorage
from jobs.storage.opening import open_storage
from jobs.store.job_store import JobStore
from tests.harness import RedisServer
from tests.harness.local_worker import LocalWorker
from tests.harness.parts import api_over, services_over
from tests.harness.publishing import QUICK
from tests.harness.two_teams import TwoTeams, two_teams
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


@pytest.fixture(params=["directory", "s3", "memory"])
def storage(request: pytest.FixtureRequest, temporary: Path) -> MediaStorage:
    """An empty storage of each kind."""
    if request.param == "s3":
        bucket: BucketStorage = request.getfixturevalue("s3")
        return bucket
    url = (temporary / "media").as_uri() if request.param == "directory" else "memory://"
    return open_storage(url, {}, QUICK)


@pytest.fixture
def teams(redis_server: RedisServer, tmp_path: Path) -> Iterator[TwoTeams]:
    with two_teams(redis_server.url, tmp_path) as started:
        yield started
