"""Landscapes painted from a seed, for screenshots of a gallery."""

import random
from collections.abc import Iterator
from io import BytesIO
from math import pi, sin

from PIL import Image, ImageDraw

Colour = tuple[int, int, int]

# Sky above, sky at the horizon, the sun, and the nearest hill.
PALETTES: tuple[tuple[Colour, Colour, Colour, Colour], ...] = (
    ((38, 52, 110), (250, 176, 120), (255, 226, 170), (26, 24, 56)),
    ((112, 170, 214), (250, 236, 214), (255, 252, 240), (28, 66, 72)),
    ((70, 36, 92), (246, 120, 110), (255, 206, 150), (36, 14, 44)),
    ((14, 22, 48), (70, 110, 150), (236, 242, 250), (6, 10, 24)),
    ((190, 214, 206), (248, 228, 190), (255, 244, 214), (52, 74, 44)),
    ((226, 140, 110), (252, 214, 160), (255, 246, 220), (92, 40, 52)),
    ((32, 92, 110), (214, 232, 206), (255, 255, 236), (10, 40, 52)),
    ((96, 84, 150), (240, 190, 214), (255, 238, 226), (44, 34, 84)),
)
HILLS = 6
SUPERSAMPLING = 2  # for smooth edges


def jpeg(seed: int, width: int, height: int) -> bytes:
    """Paint a JPEG; the same seed gives the same bytes."""
    file = BytesIO()
    paint(seed, width, height).save(file, "JPEG", quality=86)
    return file.getvalue()


def paint(seed: int, width: int, height: int) -> Image.Image:
    rng = random.Random(seed)
    above, horizon, sun, near = PALETTES[seed % len(PALETTES)]
    size = (width * SUPERSAMPLING, height * SUPERSAMPLING)
    column = Image.new("RGB", (1, size[1]))
    for y in range(size[1]):
        column.putpixel((0, y), _mixed(above, horizon, min(1.0, y / size[1] / 0.62) ** 1.2))
    image = column.resize(size)
    _sun(image, rng, sun)
    for n in range(HILLS):
        depth = (n + 1) / HILLS
        colour = _mixed(horizon, near, depth**1.3)
        base = size[1] * (0.48 + 0.42 * depth**1.4)
        ridge = list(_ridge(rng, size[0], base, size[1] * (0.05 + 0.07 * depth)))
        ImageDraw.Draw(image).polygon([*ridge, (size[0], size[1]), (0, size[1])], fill=colour)
    return image.resize((width, height), Image.Resampling.LANCZOS)


def _sun(image: Image.Image, rng: random.Random, colour: Colour) -> None:
    """Paint a sun within a pale halo."""
    width, height = image.size
    radius = min(width, height) * rng.uniform(0.05, 0.1)
    at = width * rng.uniform(0.2, 0.8), height * rng.uniform(0.22, 0.42)
    halo = Image.new("L", image.size)
    for size in range(40, 10, -1):
        ImageDraw.Draw(halo).circle(at, radius * size / 10, 82 - 2 * size)
    image.paste(colour, mask=halo)
    ImageDraw.Draw(image).circle(at, radius, colour)


def _ridge(
    rng: random.Random, width: int, base: float, swing: float
) -> Iterator[tuple[float, float]]:
    waves = [(rng.uniform(0, 2 * pi), rng.uniform(0.6, 1.6) * 2**n) for n in range(6)]
    for x in range(0, width + 4, 4):
        turn = 2 * pi * x / width
        lift = sum(sin(turn * often + at) / 1.9**n for n, (at, often) in enumerate(waves))
        yield x, base - swing * lift


def _mixed(one: Colour, other: Colour, share: float) -> Colour:
    red, green, blue = (round(a + (b - a) * share) for a, b in zip(one, other, strict=True))
    return red, green, blue
