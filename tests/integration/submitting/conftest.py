"""A worker with few slots."""

import pytest


@pytest.fixture
def worker_settings() -> dict[str, str]:
    return {"MAX_ACTIVE": "2,small=1", "WORKER_CONCURRENCY": "1"}
