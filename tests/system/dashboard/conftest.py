"""An application in this process, whose settings a test may change."""

from collections.abc import Callable
from pathlib import Path

import pytest
from flask import Flask

from jobs import services
from jobs.config import settings
from receiver import create_app
from tests.harness import RedisServer
from tests.system.dashboard.in_process_visitor import KEYS, InProcessVisitor

MakeApp = Callable[..., Flask]


@pytest.fixture
def make_app(module_redis: RedisServer, tmp_path: Path) -> MakeApp:
    """Build an application; keyword arguments replace settings."""

    def make(**changed: str) -> Flask:
        environment = {
            "WEBHOOK_SECRET": "webhook-secret-of-tests",
            "SECRET_KEY": "signing-secret-canary-1f",
            "API_KEYS": ",".join(f"{name}er:{key}:{name}" for name, key in KEYS.items()),
            "REDIS_URL": module_redis.url,
            "MEDIA_URL": tmp_path.as_uri(),
            **changed,
        }
        return create_app(services.for_web(settings.load(environment)))

    return make


@pytest.fixture
def visitor(make_app: MakeApp) -> InProcessVisitor:
    return InProcessVisitor(make_app())
