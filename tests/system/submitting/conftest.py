"""One installation for the tests of submissions."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.harness import Stack, running_stack
from tests.sandbox import Settings


@pytest.fixture(scope="package")
def env(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """One installation for all tests that leave it as they find it."""
    roomy = Settings(max_active=1000)
    with running_stack(tmp_path_factory.mktemp("running"), roomy, MAX_ACTIVE="1000") as opened:
        opened.installation.start("worker")
        yield opened


def events(job: dict[str, Any]) -> list[str]:
    """The codes of a timeline."""
    return [line["event"] for line in job["timeline"]]
