"""A worker with few slots."""

import pytest

from tests.harness.worker_environment import SLOTS


@pytest.fixture
def worker_settings() -> dict[str, str]:
    return {"MAX_ACTIVE": SLOTS["MAX_ACTIVE"]}
