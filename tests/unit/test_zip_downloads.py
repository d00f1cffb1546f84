"""Downloads of many files: places by key, and an end for a client that hardly reads."""

import itertools
from collections.abc import Iterator

import pytest

from jobs.domain.errors import TooManyWaiting
from receiver.api import downloads
from receiver.api.downloads import (
    SLOWEST_BYTES_PER_SECOND,
    STREAMS_MAX,
    STREAMS_OF_KEY_MAX,
    WINDOW_SECONDS,
    Places,
)

CHUNK = bytes(256 * 1024)


def test_a_key_takes_a_part_of_the_places() -> None:
    places = Places()
    for _ in range(STREAMS_OF_KEY_MAX):
        places.take("greedy")
    with pytest.raises(TooManyWaiting):
        places.take("greedy")
    places.take("another")
    places.give_back("greedy")
    places.take("greedy")


def test_all_keys_together_take_no_more_than_there_are() -> None:
    places = Places()
    for n in range(STREAMS_MAX):
        places.take(f"key {n}")
    with pytest.raises(TooManyWaiting):
        places.take("one more")
    places.give_back("key 0")
    places.take("one more")


class Reader:
    """A client that takes so many bytes per second, on a clock of its own."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now, self.received = 1000.0, 0
        monkeypatch.setattr("receiver.api.downloads.time.monotonic", lambda: self.now)

    def read(self, pieces: Iterator[bytes], rate: float, until: float) -> None:
        for piece in pieces:
            self.received += len(piece)
            self.now += len(piece) / rate
            if self.now >= until:
                return


@pytest.mark.parametrize("rate", [10, 1000, SLOWEST_BYTES_PER_SECOND * 0.9])
def test_a_client_that_hardly_reads_is_ended_soon_however_fast_it_began(
    monkeypatch: pytest.MonkeyPatch, rate: float
) -> None:
    reader = Reader(monkeypatch)
    pieces = downloads.require_speed(itertools.repeat(CHUNK))
    reader.read(pieces, 1e9, reader.now + 10)
    slow_since = reader.now
    with pytest.raises(BrokenPipeError):
        reader.read(pieces, rate, slow_since + 86_400)
    one_piece_seconds = downloads.PIECE_BYTES / rate
    assert reader.now - slow_since < 2 * (WINDOW_SECONDS + one_piece_seconds)


def test_a_client_that_reads_slowly_and_steadily_is_not_ended(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    reader = Reader(monkeypatch)
    pieces = downloads.require_speed(itertools.repeat(CHUNK))
    reader.read(pieces, SLOWEST_BYTES_PER_SECOND * 2, reader.now + 7200)
    assert reader.now >= 8200
