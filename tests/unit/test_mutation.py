"""The mutants of `make mutants` meet tests that exist."""

import pytest

from deploy.procfile import ROOT
from tests.mutation.__main__ import TARGETS, TESTS


@pytest.mark.parametrize("path", [*TESTS, *TARGETS])
def test_every_file_that_is_named_exists(path: str) -> None:
    assert (ROOT / path).exists()
