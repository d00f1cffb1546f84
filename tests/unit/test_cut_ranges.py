"""Cutting a range out of a complete stream of chunks."""

from hypothesis import given
from hypothesis import strategies as st

from jobs.storage.bucket import cut_range

BODY = bytes(range(100))


@given(
    sizes=st.lists(st.integers(1, 40), min_size=1),
    start=st.integers(0, 120),
    length=st.none() | st.integers(0, 120),
)
def test_pieces_do_not_change_a_range(sizes: list[int], start: int, length: int | None) -> None:
    stop = None if length is None else start + length
    assert b"".join(cut_range(iter(pieces(sizes)), start, stop)) == BODY[start:stop]


def pieces(sizes: list[int]) -> list[bytes]:
    found: list[bytes] = []
    at = 0
    while at < len(BODY):
        size = sizes[len(found) % len(sizes)]
        found.append(BODY[at : at + size])
        at += size
    return found
