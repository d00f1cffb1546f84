"""An application in this process, whose settings a test may change."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from flask import Flask

from jobs import services
from jobs.config import settings
from receiver import create_app
from tests.harness import RedisServer
from tests.system.dashboard.guest import KEYS, Guest

Open = Callable[..., Flask]


@pytest.fixture(scope="module")
def redis_of_the_house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    server = RedisServer(tmp_path_factory.mktemp("house"))
    yield server
    server.kill()


@pytest.fixture
def house(redis_of_the_house: RedisServer, tmp_path: Path) -> Open:
    """Builds the application with settings of one's own."""

    def build(**own: str) -> Flask:
        environment = {
            "WEBHOOK_SECRET": "webhook-secret-of-tests",
            "SECRET_KEY": "signing-secret-canary-1f",
            "API_KEYS": ",".join(f"{name}er:{key}:{name}" for name, key in KEYS.items()),
            "REDIS_URL": redis_of_the_house.url,
            "MEDIA_URL": tmp_path.as_uri(),
            **own,
        }
        return create_app(services.for_web(settings.load(environment)))

    return build


@pytest.fixture
def guest(house: Open) -> Guest:
    return Guest(house())
