"""Fixtures: a running installation, and a worker in this process."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.harness import RedisServer
from tests.sandbox import Sandbox, Settings
from tests.system.submitting.bench import KEY, Bench, built
from tests.system.submitting.desk import Desk, open_desk


@pytest.fixture(scope="package")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    """One installation for all tests that leave it as they find it."""
    roomy = Settings(max_active=1000)
    with open_desk(tmp_path_factory.mktemp("desk"), roomy, workers=2, MAX_ACTIVE="1000") as opened:
        yield opened


@pytest.fixture
def bench(redis_server: RedisServer, tmp_path: Path, sandbox: Sandbox) -> Iterator[Bench]:
    wired = built(redis_server, tmp_path, BFL_SANDBOX_URL=sandbox.url, BFL_API_KEY=KEY)
    yield Bench(wired, sandbox)
    wired.redis.close()
