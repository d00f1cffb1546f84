"""The situation most of these tests begin in."""

from collections.abc import Iterator

import pytest

from tests.sandbox import Settings
from tests.submitting.desk import Desk, open_desk


@pytest.fixture(scope="package")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    """One installation for all tests that leave it as they find it."""
    roomy = Settings(max_active=1000)
    with open_desk(tmp_path_factory.mktemp("desk"), roomy, workers=2, MAX_ACTIVE="1000") as opened:
        yield opened
