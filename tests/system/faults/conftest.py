"""The situations fault tests begin in."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.harness.scene import Scene, running_scene, stopped_scene


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    """Web, worker and sweep run."""
    with running_scene(tmp_path) as running:
        yield running


@pytest.fixture
def quiet_scene(tmp_path: Path) -> Iterator[Scene]:
    """Nothing of Fluxkeep runs yet."""
    with stopped_scene(tmp_path) as stopped:
        yield stopped
