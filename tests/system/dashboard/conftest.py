"""The dashboard in the process of a test, beside that of the installation."""

from pathlib import Path

import pytest

from tests.harness import RedisServer
from tests.harness.in_process_dashboard import InProcessVisitor, MakeApp, app_maker


@pytest.fixture
def make_app(module_redis: RedisServer, tmp_path: Path) -> MakeApp:
    """Build an application; keyword arguments replace settings."""
    return app_maker(module_redis, tmp_path)


@pytest.fixture
def visitor(make_app: MakeApp) -> InProcessVisitor:
    return InProcessVisitor(make_app())
