"""A quick sandbox, and an app it can call."""

from collections.abc import Iterator

import pytest

from tests.harness.webhook_receiver import Hook
from tests.sandbox import Sandbox, Settings
from tests.unit.sandbox.clients import QUICK


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(Settings(generation_seconds=QUICK, callback_retries=[0.05, 0.05])) as sandbox:
        yield sandbox


@pytest.fixture
def app() -> Iterator[Hook]:
    hook = Hook()
    yield hook
    hook.close()
