"""Fixtures: a running installation, and a worker in this process."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.harness import RedisServer
from tests.sandbox import Sandbox, Settings
from tests.system.submitting.environment import SubmissionEnvironment, running_environment
from tests.system.submitting.local_worker import KEY, LocalWorker, built


@pytest.fixture(scope="package")
def env(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SubmissionEnvironment]:
    """One installation for all tests that leave it as they find it."""
    roomy = Settings(max_active=1000)
    with running_environment(
        tmp_path_factory.mktemp("running"), roomy, workers=2, MAX_ACTIVE="1000"
    ) as opened:
        yield opened


@pytest.fixture
def local_worker(
    redis_server: RedisServer, tmp_path: Path, sandbox: Sandbox
) -> Iterator[LocalWorker]:
    wired = built(redis_server, tmp_path, BFL_SANDBOX_URL=sandbox.url, BFL_API_KEY=KEY)
    yield LocalWorker(wired, sandbox)
    wired.redis.close()
