"""A quick sandbox, and an app it can call."""

import threading
from collections.abc import Iterator

import pytest

from tests.integration.sandbox.clients import QUICK, App
from tests.sandbox import Sandbox, Settings


@pytest.fixture
def box() -> Iterator[Sandbox]:
    with Sandbox(Settings(generation_seconds=QUICK, callback_retries=[0.05, 0.05])) as box:
        yield box


@pytest.fixture
def app() -> Iterator[App]:
    with App() as app:
        thread = threading.Thread(target=app.serve_forever, args=(0.02,))
        thread.start()
        yield app
        app.shutdown()
        thread.join()
