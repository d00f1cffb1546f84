"""Fixtures: one Fluxkeep for the whole package, which must keep serving after every test."""

from collections.abc import Iterator

import pytest

from tests.harness.installation import WEBHOOK_SECRET
from tests.system.bad_input.target import SECOND_SECRET, TargetServer, web_alone


@pytest.fixture(scope="package", params=["on", "off"], ids="accelerator_{}".format)
def target(
    tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
) -> Iterator[TargetServer]:
    """Web alone, with two secrets, with and without the callback accelerator."""
    directory = tmp_path_factory.mktemp("bad_input")
    settings = {
        "WEBHOOK_SECRET": f"{WEBHOOK_SECRET},{SECOND_SECRET}",
        "CALLBACK_ACCELERATOR": request.param,
    }
    with web_alone(directory, **settings) as target:
        yield target


@pytest.fixture
def server(target: TargetServer) -> Iterator[TargetServer]:
    """The target, which must still accept a valid callback after the test."""
    yield target
    target.still_serves()


@pytest.fixture
def job_id(target: TargetServer) -> str:
    """Id of a job that awaits its callback."""
    return target.expected_job()
