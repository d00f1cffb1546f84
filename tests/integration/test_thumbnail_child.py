"""Images that cannot, should not or will not be drawn: no thumbnail, and no harm."""

import subprocess
import sys
import zlib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from deploy.procfile import ROOT
from tests.harness.images import IMAGES, RED, corners, encoded, made, png
from tests.sandbox.formats import JPEGS
from worker import thumbnail_child, thumbnails

KINDS = pytest.mark.parametrize("kind", IMAGES)
MEBIBYTE = 2**20
PIXELS = (b"IDAT", zlib.compress(bytes(31 * 10)))


def zeros(mebibytes: int) -> bytes:
    """So many compressed by zlib, in parts that are equal: compressing all would take a second."""
    packer = zlib.compressobj(wbits=-15)
    part = packer.compress(bytes(MEBIBYTE)) + packer.flush(zlib.Z_FULL_FLUSH)
    adler = (mebibytes * MEBIBYTE % 65_521 << 16) + 1
    return b"\x78\x01" + part * mebibytes + packer.flush() + adler.to_bytes(4)


TEXT_BOMB = b"Comment\0\0" + zeros(200)
HOSTILE = {
    "nothing": b"",
    "a head alone": png(10, 10)[:16],
    "no pixels": png(10, 10),
    "too few pixels": png(100, 100, PIXELS),
    "no size": png(0, 0, PIXELS),
    "50,000 x 50,000 pixels": png(50_000, 50_000, PIXELS),
    "2,147,483,647 rows": png(1, 2**31 - 1, PIXELS),
    "text that unpacks to 200 MiB": png(10, 10, (b"zTXt", TEXT_BOMB), PIXELS),
    "a profile that unpacks to 200 MiB": png(10, 10, (b"iCCP", TEXT_BOMB), PIXELS),
    "a chunk longer than the file": png(10, 10)[:33] + b"\x7f\xff\xff\xffIDAT",
    "another format": b"GIF89a\x10\0\x10\0\0\0\0",
}


@pytest.mark.parametrize("body", HOSTILE.values(), ids=HOSTILE)
def test_what_cannot_be_drawn_has_no_thumbnail_and_a_line_in_the_log(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, body: bytes
) -> None:
    assert made(tmp_path, body, "image/png") is None
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert "no thumbnail of original: " in caplog.text and len(caplog.text) < 400


@KINDS
def test_an_image_that_breaks_off_is_not_half_drawn(tmp_path: Path, kind: str) -> None:
    body = encoded(corners(900, 900), kind)
    for length in (20, len(body) // 2, len(body) * 9 // 10):
        assert made(tmp_path, body[:length], kind) is None, length


def test_an_image_is_read_as_the_format_it_was_found_to_be(tmp_path: Path) -> None:
    assert made(tmp_path, JPEGS[0], "image/png") is None


def test_an_original_that_is_gone_is_an_error_of_the_disk(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        thumbnails.make(tmp_path / "original", "image/jpeg")


# tests/system/faults/test_killed_thumbnails.py has the image that takes for ever.

# Memory, measured in a process of its own: what its children used is known once they have ended.

MEASURED = """
import sys
from pathlib import Path
from resource import RUSAGE_CHILDREN, getrusage
from worker import thumbnails
made = thumbnails.make(Path(sys.argv[1]), sys.argv[2])
print(int(made is not None), getrusage(RUSAGE_CHILDREN).ru_maxrss)
"""


def memory_of_drawing(tmp_path: Path, body: bytes, kind: str) -> tuple[bool, int]:
    """Whether there is a thumbnail, and the most memory that it took, in MiB."""
    original = tmp_path / "original"
    original.write_bytes(body)
    command = [sys.executable, "-c", MEASURED, str(original), kind]
    result = subprocess.run(
        command, cwd=ROOT, check=True, capture_output=True, text=True, timeout=60
    )
    drawn, most = result.stdout.split()
    return drawn == "1", int(most) // (1024 if sys.platform == "linux" else MEBIBYTE)


MOST_MEBIBYTES = thumbnail_child.MEMORY_MAX_BYTES // MEBIBYTE
SEE_THROUGH = (255, 0, 0, 128)


def test_neither_a_large_jpeg_nor_a_bomb_costs_much_memory(tmp_path: Path) -> None:
    large = encoded(Image.new("RGB", (6000, 5000), RED), "image/jpeg")  # 115 MiB of pixels
    drawn, mebibytes = memory_of_drawing(tmp_path, large, "image/jpeg")
    assert drawn and mebibytes < 60
    bomb = png(50_000, 50_000, PIXELS)
    drawn, mebibytes = memory_of_drawing(tmp_path, bomb, "image/png")
    assert not drawn and mebibytes < 60


@pytest.mark.skipif(sys.platform != "linux", reason="no other system limits a process's memory")
@pytest.mark.parametrize(
    ("mode", "colour", "kind", "options", "is_drawn"),
    [
        ("RGBA", SEE_THROUGH, "image/png", {"compress_level": 1}, True),
        ("RGB", RED, "image/webp", {"method": 0}, False),  # it needs more, and has no thumbnail
    ],
)
def test_the_largest_image_stays_within_the_limit(
    tmp_path: Path, mode: str, colour: Any, kind: str, options: dict[str, int], is_drawn: bool
) -> None:
    body = encoded(Image.new(mode, (6400, 5000), colour), kind, **options)
    drawn, mebibytes = memory_of_drawing(tmp_path, body, kind)
    assert drawn is is_drawn and mebibytes <= MOST_MEBIBYTES


def test_one_pixel_more_than_the_limit_is_too_many(tmp_path: Path) -> None:
    row = thumbnail_child.PIXELS_MAX // 5000
    body = png(row, 5001, (b"IDAT", zlib.compress(bytes((3 * row + 1) * 5001), 1)))
    assert made(tmp_path, body, "image/png") is None


DAMAGE = st.lists(st.tuples(st.integers(0, 3000), st.integers(0, 255)), max_size=8)


@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(kind=st.sampled_from(sorted(IMAGES)), spots=DAMAGE, length=st.integers(0, 6000))
def test_a_damaged_image_has_a_thumbnail_or_none(
    tmp_path: Path, kind: str, spots: list[tuple[int, int]], length: int
) -> None:
    body = bytearray(IMAGES[kind][:length])
    for at, value in spots:
        if at < len(body):
            body[at] = value
    result = made(tmp_path, bytes(body), kind)
    assert result is None or max(result.width, result.height) <= thumbnail_child.LONGEST_SIDE
