"""One Fluxkeep for the whole package: a server that takes bad input must go on serving."""

from collections.abc import Iterator

import pytest

from tests.bad_input.target import SECOND_SECRET, Target, web_alone
from tests.harness.installation import WEBHOOK_SECRET


@pytest.fixture(scope="package")
def target(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Target]:
    """Web alone, with two secrets."""
    directory = tmp_path_factory.mktemp("bad_input")
    with web_alone(directory, WEBHOOK_SECRET=f"{WEBHOOK_SECRET},{SECOND_SECRET}") as target:
        yield target


@pytest.fixture
def server(target: Target) -> Iterator[Target]:
    """The same, and it must still take a good callback after whatever the test sent."""
    yield target
    target.still_serves()


@pytest.fixture
def job_id(target: Target) -> str:
    """A job whose callback is awaited."""
    return target.expected_job()
