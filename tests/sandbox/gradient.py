"""Draws a pleasant PNG from a number with nothing but zlib."""

from collections.abc import Iterator
from colorsys import hls_to_rgb
from functools import lru_cache
from math import cos, pi, sin
from zlib import compress, crc32

SIDE = 512
UP = 2  # PNG's row filter "difference to the row above"
SUB = 1  # and "difference to the pixel on the left"


@lru_cache(maxsize=64)
def gradient(seed: int) -> bytes:
    """Two colours that run into each other; the same seed draws the same picture."""
    # A colour that is f(x) + g(y) has rows of constant difference: each row is one
    # repeated pixel under PNG's filters, and half a million pixels cost no loop at all.
    across, down = _colours(seed)
    rows = [bytes([SUB]) + b"".join(_steps(across))]
    rows += [bytes([UP]) + step * SIDE for step in list(_steps(down))[1:]]
    head = SIDE.to_bytes(4, "big") * 2 + bytes([8, 2, 0, 0, 0])
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        _chunk(kind, data)
        for kind, data in [(b"IHDR", head), (b"IDAT", compress(b"".join(rows))), (b"IEND", b"")]
    )


def _colours(seed: int) -> tuple[list[list[int]], list[list[int]]]:
    """The colours along the top edge, and what is added to them down the left edge."""
    hue, turn = seed % 360 / 360, seed // 360 % 100 / 100
    start = hls_to_rgb(hue, 0.45, 0.75)
    swing = hls_to_rgb((hue + 0.12) % 1, 0.5, 0.9)
    lift = hls_to_rgb((hue + 0.55 + 0.2 * turn) % 1, 0.55, 0.9)
    waves = [(0.5 - 0.5 * cos(pi * x / SIDE * (1 + turn))) for x in range(SIDE)]
    slopes = [sin(pi / 2 * y / SIDE) for y in range(SIDE)]
    # The three shares stay below 256 together: a byte that ran over would tear the picture.
    across = [[int(150 * a + 55 * wave * b) for a, b in _pairs(start, swing)] for wave in waves]
    down = [[int(85 * slope * c) for c in lift] for slope in slopes]
    return across, down


def _pairs(one: tuple[float, ...], two: tuple[float, ...]) -> list[tuple[float, float]]:
    return list(zip(one, two, strict=True))


def _steps(colours: list[list[int]]) -> Iterator[bytes]:
    before = [0, 0, 0]
    for colour in colours:
        yield bytes((now - then) % 256 for now, then in zip(colour, before, strict=True))
        before = colour


def _chunk(kind: bytes, data: bytes) -> bytes:
    return len(data).to_bytes(4, "big") + kind + data + crc32(kind + data).to_bytes(4, "big")
