"""Thumbnails: the right image, drawn small, with nothing of what else a file brings along."""

import hashlib
import struct
import zlib
from io import BytesIO
from pathlib import Path

import pytest
from PIL import Image, ImageCms, PngImagePlugin

from tests.harness.images import (
    BLUE,
    CORNERS,
    GREEN,
    IMAGES,
    RED,
    WHITE,
    corners,
    encoded,
    made,
    png,
)
from worker import thumbnail_child

KINDS = pytest.mark.parametrize("kind", IMAGES)
# What each way of turning puts into the corners: the values of EXIF's Orientation.
TURNS = {
    1: (RED, GREEN, BLUE, WHITE),
    2: (GREEN, RED, WHITE, BLUE),
    3: (BLUE, WHITE, RED, GREEN),
    4: (WHITE, BLUE, GREEN, RED),
    5: (RED, WHITE, BLUE, GREEN),
    6: (WHITE, RED, GREEN, BLUE),
    7: (BLUE, GREEN, RED, WHITE),
    8: (GREEN, BLUE, WHITE, RED),
}


def drawn(body: bytes, kind: str) -> Image.Image:
    image = Image.open(BytesIO(thumbnail_child.thumbnail(BytesIO(body), kind)))
    assert image.format == "WEBP"
    return image


def colours(image: Image.Image) -> list[tuple[int, ...]]:
    """One from the middle of each quarter."""
    x, y = image.width, image.height
    spots = [(x // 4, y // 4), (3 * x // 4, y // 4), (3 * x // 4, 3 * y // 4), (x // 4, 3 * y // 4)]
    found = [image.convert("RGBA").getpixel(spot) for spot in spots]
    return [pixel for pixel in found if isinstance(pixel, tuple)]


def alike(found: list[tuple[int, ...]], wanted: tuple[tuple[int, ...], ...]) -> bool:
    return all(
        abs(one - other) <= 12
        for left, right in zip(found, wanted, strict=True)
        for one, other in zip(left[: len(right)], right, strict=True)
    )


@KINDS
def test_a_thumbnail_is_a_webp_of_512_pixels_and_says_what_it_is(tmp_path: Path, kind: str) -> None:
    result = made(tmp_path, encoded(corners(1200, 600), kind), kind)
    assert result
    with Image.open(BytesIO(result.body)) as image:
        assert image.format == "WEBP"
        assert image.size == (result.width, result.height) == (512, 256)
        assert alike(colours(image), CORNERS)
    kept = result.media_file("key")
    digest = hashlib.sha256(result.body).hexdigest()
    assert (kept.content_type, kept.bytes, kept.sha256) == ("image/webp", len(result.body), digest)
    assert (kept.width, kept.height) == (512, 256)


@KINDS
@pytest.mark.parametrize("size", [(1, 1), (40, 30), (512, 512), (1, 512)])
def test_a_small_image_is_not_enlarged(kind: str, size: tuple[int, int]) -> None:
    assert drawn(encoded(corners(*size), kind), kind).size == size
    assert drawn(encoded(corners(5000, 2), "image/png"), "image/png").size == (512, 1)


@KINDS
@pytest.mark.parametrize("turn", TURNS)
def test_an_image_stands_the_way_its_camera_stood(kind: str, turn: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = turn
    image = drawn(encoded(corners(1200, 600), kind, exif=exif), kind)
    assert image.size == ((512, 256) if turn < 5 else (256, 512))
    assert alike(colours(image), TURNS[turn])


@pytest.mark.filterwarnings("ignore:Corrupt EXIF data")
@pytest.mark.parametrize("exif", [b"", b"MM", b"rubbish" * 9, b"MM\0*\xff\xff\xff\xff"])
def test_broken_notes_of_a_camera_are_none(exif: bytes) -> None:
    body = encoded(corners(600, 600), "image/jpeg", exif=b"Exif\0\0" + exif)
    assert alike(colours(drawn(body, "image/jpeg")), CORNERS)


@pytest.mark.parametrize(
    ("kind", "mode"),
    [
        ("image/jpeg", "RGB"),
        ("image/jpeg", "CMYK"),
        ("image/png", "RGB"),
        ("image/png", "P"),
        ("image/webp", "RGB"),
    ],
)
@pytest.mark.parametrize("side", [300, 1500])
def test_colours_stay_what_they_are(kind: str, mode: str, side: int) -> None:
    image = drawn(encoded(corners(side, side).convert(mode), kind), kind)
    assert image.mode == "RGB" and alike(colours(image), CORNERS)


def test_greys_and_sixteen_bits_become_eight_of_each_colour() -> None:
    grey = Image.linear_gradient("L").resize((800, 800))
    black_and_white = Image.new("1", (800, 800))
    black_and_white.paste(1, (0, 0, 800, 400))
    halves = struct.pack("<H", 0x8000) * (800 * 400) + struct.pack("<H", 0x2000) * (800 * 400)
    deep = Image.frombytes("I;16", (800, 800), halves)
    row = b"\0" + struct.pack(">3H", 0xFF00, 0x8000, 0x2000) * 600
    wide = png(600, 600, (b"IDAT", zlib.compress(row * 600)), bits=16)
    for body, upper, lower in (
        (encoded(grey, "image/png"), (64,) * 3, (191,) * 3),
        (encoded(black_and_white, "image/png"), WHITE, (0, 0, 0)),
        (encoded(deep, "image/png"), (128,) * 3, (32,) * 3),
        (wide, (255, 128, 32), (255, 128, 32)),
    ):
        assert alike(colours(drawn(body, "image/png")), (upper, upper, lower, lower))
    small = drawn(encoded(grey, "image/jpeg"), "image/jpeg")
    assert alike(colours(small), ((64,) * 3, (64,) * 3, (191,) * 3, (191,) * 3))


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P"])
def test_transparency_stays(mode: str) -> None:
    image = corners(800, 800).convert("RGBA")
    image.paste((0, 0, 0, 0), (0, 0, 800, 400))
    body = encoded(image.convert(mode), "image/png")
    small = drawn(body, "image/png")
    assert small.mode == "RGBA"
    assert [alpha for *_, alpha in colours(small)] == [0, 0, 255, 255]
    body = encoded(corners(800, 800), "image/png", transparency=RED)  # one transparent colour
    assert [alpha for *_, alpha in colours(drawn(body, "image/png"))] == [0, 255, 255, 255]
    half = encoded(Image.new("RGBA", (800, 800), (0, 0, 255, 128)), "image/webp", lossless=True)
    assert alike(colours(drawn(half, "image/webp")), ((0, 0, 255, 128),) * 4)


@pytest.mark.parametrize("kind", ["image/png", "image/webp"])
def test_of_a_moving_image_the_first_frame_is_drawn(kind: str) -> None:
    frames = [corners(700, 700), Image.new("RGB", (700, 700)), Image.new("RGB", (700, 700), RED)]
    body = encoded(frames[0], kind, save_all=True, append_images=frames[1:], duration=50)
    image = drawn(body, kind)
    assert getattr(image, "n_frames", 1) == 1
    assert alike(colours(image), CORNERS)


@KINDS
def test_nothing_written_about_an_image_goes_into_its_thumbnail(kind: str) -> None:
    exif = Image.Exif()
    exif[0x010E] = "secret"
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    note = PngImagePlugin.PngInfo()
    note.add_text("Comment", "secret")
    body = encoded(
        corners(600, 600), kind, exif=exif, icc_profile=profile, xmp=b"<x>secret</x>", pnginfo=note
    )
    assert b"secret" in body
    small = thumbnail_child.thumbnail(BytesIO(body), kind)
    assert not [word for word in (b"secret", b"EXIF", b"ICCP", b"XMP ") if word in small]
