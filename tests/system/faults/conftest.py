"""The situations fault tests begin in."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.harness import Stack, running_stack


@pytest.fixture
def stack(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Stack]:
    """Web, worker and sweep run, with the SETTINGS of the module."""
    settings: dict[str, str] = getattr(request.module, "SETTINGS", {})
    with running_stack(tmp_path, None, None, **settings) as running:
        yield running
