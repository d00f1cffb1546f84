"""A stack with a database, SQLite and PostgreSQL, whose sweep evicts what is due at once."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.harness import PostgresServer, running_stack
from tests.system.archive.outages import ArchivingStack


@pytest.fixture(scope="module", params=["sqlite", "postgres"])
def archiving(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ArchivingStack]:
    """One for all tests of a module."""
    directory = tmp_path_factory.mktemp("stack")
    server: PostgresServer | None = None
    if request.param == "postgres":
        server = request.getfixturevalue("postgres_server")
    file = directory / "archive.db"
    with server.database() if server else pytest.MonkeyPatch.context() as name:
        url = server.url(str(name)) if server else f"sqlite:///{file}"
        with running_stack(directory, DATABASE_URL=url, HOT_DAYS="0") as stack:
            yield ArchivingStack(stack, server, Path(file))
