"""The product as it runs for one module of tests, its command line, and a browser."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from uuid import uuid4

import pytest

from tests.harness import CommandLine, Installation, RedisServer, Stack, running_stack
from tests.harness.chromium import Chromium, Window
from tests.harness.past_jobs import Archive, Open
from tests.harness.webhook_receiver import Hook

STORAGE_SETTINGS: dict[str, dict[str, str]] = {
    "directory": {},
    "bucket": {},
    "redirected bucket": {"MEDIA_SERVE": "redirect"},
}


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run the tests of a module with each of its STORAGES, of which STORAGE_SETTINGS lists all."""
    storages = getattr(metafunc.module, "STORAGES", None)
    if storages and "stack" in metafunc.fixturenames:
        metafunc.parametrize("stack", storages, indirect=True, scope="module")


@pytest.fixture(scope="module")
def stack(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Stack]:
    """A sandbox and an installation with the SETTINGS of the module; `afterwards` judges it."""
    storage = getattr(request, "param", "directory")
    bucket = None
    if storage != "directory":
        bucket = request.getfixturevalue("s3_server").bucket(f"keep-{uuid4()}")
    settings: dict[str, str] = STORAGE_SETTINGS[storage] | getattr(request.module, "SETTINGS", {})
    with running_stack(tmp_path_factory.mktemp("stack"), None, bucket, **settings) as running:
        yield running
        getattr(request.module, "afterwards", lambda _: None)(running)


@pytest.fixture(params=["directory", "bucket"])
def opened(
    request: pytest.FixtureRequest, redis_server: RedisServer, tmp_path: Path, temporary: Path
) -> Open:
    """An archive over one Redis and one storage, with the settings of one process."""
    assert temporary.exists()
    if request.param == "bucket":
        where = request.getfixturevalue("bucket").settings
    else:
        where = {"MEDIA_URL": (tmp_path / "media").as_uri()}
    return lambda **settings: Archive.over(redis_server, where | settings)


@pytest.fixture(scope="module")
def module_installation(
    module_redis: RedisServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Installation]:
    """An installation without a sandbox, of which nothing runs yet, for a module of tests."""
    installation = Installation(tmp_path_factory.mktemp("installation"), module_redis)
    yield installation
    installation.close()


@pytest.fixture
def hook() -> Iterator[Hook]:
    with closing(Hook()) as listening:
        yield listening


@pytest.fixture
def shell(stack: Stack) -> CommandLine:
    """The command line with the settings of the stack."""
    return CommandLine(stack.installation)


@pytest.fixture(scope="session")
def chromium() -> Iterator[Chromium]:
    """A real browser, started once; mark what uses it `browser`."""
    running = Chromium()
    yield running
    running.close()


@pytest.fixture
def window(chromium: Chromium) -> Iterator[Window]:
    """A fresh window, without cookies and with nothing remembered."""
    with chromium.window() as opened:
        yield opened
