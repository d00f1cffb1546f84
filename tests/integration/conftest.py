"""The store over a Redis of the test's own, and the services of a sweeper."""

from pathlib import Path

import pytest
from redis import Redis

from jobs.config import settings
from jobs.services import Services
from jobs.store.job_store import JobStore
from tests.harness.parts import Parts
from tests.harness.required_settings import SECRETS


@pytest.fixture
def parts(redis: Redis) -> Parts:
    return Parts.over(redis)


@pytest.fixture
def store(parts: Parts) -> JobStore:
    return parts.store


@pytest.fixture
def wired(redis: Redis, tmp_path: Path) -> Services:
    media = {"MEDIA_URL": (tmp_path / "media").as_uri()}
    return Services(settings.load(SECRETS | media), redis)
