"""Sidecars: arbitrary bytes raise ForeignObject. Their rules are in `steps/sidecars.txt`."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs import sidecars
from jobs.domain.errors import ForeignObject

KEY = "2026/01/01/someone-0-1.json"


@given(body=st.binary(max_size=300) | st.text(max_size=300).map(str.encode))
def test_whatever_lies_there_raises_nothing_else(body: bytes) -> None:
    with pytest.raises(ForeignObject):
        sidecars.parse(body, KEY)
