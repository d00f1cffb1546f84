"""Fixtures: one Fluxkeep for the whole package, which must keep serving after every test."""

from collections.abc import Iterator

import pytest

from tests.harness import WEBHOOK_SECRET
from tests.system.bad_input.target import SECOND_SECRET, TargetServer, web_alone


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run the tests of a module with each of its ACCELERATORS; by default the accelerator is on."""
    if ways := getattr(metafunc.module, "ACCELERATORS", None):
        ids = [f"accelerator {way}" for way in ways]
        metafunc.parametrize("target", ways, indirect=True, scope="package", ids=ids)


@pytest.fixture(scope="package")
def target(
    tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
) -> Iterator[TargetServer]:
    """Web alone, with two secrets."""
    directory = tmp_path_factory.mktemp("bad_input")
    settings = {
        "WEBHOOK_SECRET": f"{WEBHOOK_SECRET},{SECOND_SECRET}",
        "CALLBACK_ACCELERATOR": getattr(request, "param", "on"),
    }
    with web_alone(directory, **settings) as target:
        yield target


@pytest.fixture
def server(target: TargetServer) -> Iterator[TargetServer]:
    """The target, which must still accept a valid callback after the test."""
    yield target
    target.still_serves()


@pytest.fixture
def job_id(target: TargetServer) -> Iterator[str]:
    """Id of a job that awaits its callback, and still does so after the test."""
    job_id = target.announced_job()
    yield job_id
    assert target.client.job(job_id)["status"] == "submitted"
