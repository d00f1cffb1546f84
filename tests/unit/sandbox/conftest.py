"""A quick sandbox, requests to its API, and an app it can call."""

from collections.abc import Iterator
from typing import Any

import pytest
import requests

from tests.harness.webhook_receiver import Hook
from tests.sandbox import Sandbox, Settings

KEY = {"x-key": "any"}


def submitted(sandbox: Sandbox, model: str = "flux-2-pro", /, **body: Any) -> requests.Response:
    body = {"prompt": "a heron"} | body
    return requests.post(f"{sandbox.url}/v1/{model}", json=body, headers=KEY, timeout=30)


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(Settings(generation_seconds=0.02, callback_retries=[0.05, 0.05])) as sandbox:
        yield sandbox


@pytest.fixture
def app() -> Iterator[Hook]:
    hook = Hook()
    yield hook
    hook.close()
