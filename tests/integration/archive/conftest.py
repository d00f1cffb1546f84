"""Services with a database, SQLite and PostgreSQL, whose sweep archives and evicts at once."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from redis import Redis

from tests.harness.archive_installation import Archived
from tests.harness.parts import services_over

NOW = {"HOT_DAYS": "0", "BFL_SANDBOX_URL": "http://127.0.0.1:9"}


@pytest.fixture(params=["sqlite", "postgres"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A new database of each kind."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/archive.db"
    url: str = request.getfixturevalue("postgres_url")
    return url


Build = Callable[..., Archived]


@pytest.fixture
def build(redis: Redis, tmp_path: Path, database_url: str) -> Iterator[Build]:
    """Builds services over the same Redis and database, with more settings."""
    built: list[Archived] = []

    def make(**more: str) -> Archived:
        given = {"DATABASE_URL": database_url, "MEDIA_URL": (tmp_path / "media").as_uri()}
        built.append(Archived(services_over(redis, **(given | NOW | more))))
        return built[-1]

    yield make
    for each in built:
        each.archive.close()


@pytest.fixture
def archived(build: Build) -> Archived:
    return build()
