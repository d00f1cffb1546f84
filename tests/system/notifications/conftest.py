"""Fixtures: an installation with NOTIFY_URL, and a receiver."""

from collections.abc import Iterator

import pytest

from tests.harness import Stack, running_stack
from tests.harness.hook import Hook
from tests.system.notifications.jobs import NEW, OLD


@pytest.fixture(scope="module")
def owner() -> Iterator[Hook]:
    """The receiver at NOTIFY_URL."""
    listening = Hook()
    yield listening
    listening.close()


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory, owner: Hook) -> Iterator[Stack]:
    with running_stack(
        tmp_path_factory.mktemp("notifications"),
        NOTIFY_URL=owner.url,
        NOTIFY_SECRET=f"{NEW},{OLD}",
        NOTIFY_HOSTS="*,localhost",
    ) as running:
        yield running
        logs = running.installation.logs()
        assert not [
            secret for secret in (*running.installation.secrets(), "/hook") if secret in logs
        ]


@pytest.fixture
def hook() -> Iterator[Hook]:
    """The receiver at a job's `notify_url`."""
    listening = Hook()
    yield listening
    listening.close()


@pytest.fixture(autouse=True)
def each_test_sees_only_its_own_jobs(owner: Hook) -> Iterator[None]:
    yield
    owner.calls.clear()
