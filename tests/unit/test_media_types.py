"""Media types by magic bytes, completeness of files, and sizes of images."""

import zlib
from pathlib import Path
from tracemalloc import get_traced_memory, start, stop

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs.storage import layout
from tests.harness.images import box, png
from tests.sandbox.formats import IMAGES, JPEGS, MP4, WEBP, gradient
from worker.formats import sniff

JPEG = JPEGS[0]
PNG = gradient(7)
FORMATS = {"image/jpeg": JPEG, "image/png": PNG, "image/webp": WEBP, "video/mp4": MP4}
KINDS = pytest.mark.parametrize("kind", FORMATS)
MEBIBYTE = 2**20


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "file"


def is_complete(path: Path, body: bytes, kind: str) -> bool:
    path.write_bytes(body)
    return sniff.is_complete(path, kind)


# Types.


@KINDS
def test_the_type_is_what_the_first_bytes_say(kind: str) -> None:
    assert layout.sniffed_type(FORMATS[kind][: layout.HEAD_BYTES]) == kind


@pytest.mark.parametrize("image", sorted(IMAGES.iterdir()), ids=lambda path: path.name)
def test_every_image_of_the_sandbox_is_complete_and_of_its_type(image: Path) -> None:
    kind = layout.sniffed_type(image.read_bytes()[: layout.HEAD_BYTES]) or layout.OPAQUE
    assert kind.endswith(image.suffix[1:])
    assert sniff.is_complete(image, kind)


@pytest.mark.parametrize(
    "head",
    [
        *(b"", b"\xff\xd8", b"\xff\xd9\xff\xe0", b"\x89PNG\n\x1a\n\0", b" \x89PNG\r\n\x1a\n"),
        *(b"RIFF\0\0\0\0WAVEfmt ", b"RIFF\0\0\0\0", b"WEBPRIFF\0\0\0\0", b"\0\0\0\x20moovmvhd"),
        *(b"<svg xmlns='http", b"<?xml version='1", b"<!doctype html><"),
        *(b"GIF89a" + bytes(10), b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n\n", b"PK\x03\x04" + bytes(12)),
        *(b"BM" + bytes(14), b"\x7fELF" + bytes(12), b"MZ" + bytes(14), bytes(16)),
    ],
)
def test_what_none_of_the_four_formats_begins_with_is_no_medium(head: bytes) -> None:
    assert layout.sniffed_type(head) is None


@given(st.binary(max_size=layout.HEAD_BYTES))
def test_any_bytes_have_a_known_type_or_none(head: bytes) -> None:
    assert layout.sniffed_type(head) in {*FORMATS, None}


# Whole or not.


@KINDS
def test_only_a_whole_file_is_complete(path: Path, kind: str) -> None:
    body = FORMATS[kind]
    assert is_complete(path, body, kind)
    for length in (16, 30, len(body) // 3, len(body) // 2, len(body) - 5, len(body) - 1):
        assert not is_complete(path, body[:length], kind), length


def test_a_thumbnail_inside_a_jpeg_is_not_its_end(path: Path) -> None:
    exif = b"Exif\0\0" + JPEGS[1]
    segment = b"\xff\xe1" + (2 + len(exif)).to_bytes(2, "big") + exif
    body = JPEG[:2] + segment + JPEG[2:]
    assert is_complete(path, body, "image/jpeg")
    assert not is_complete(path, body[:-2000], "image/jpeg")


@pytest.mark.parametrize("kind", ["image/jpeg", "image/png", "image/webp"])
def test_an_image_may_be_followed_by_other_bytes(path: Path, kind: str) -> None:
    assert is_complete(path, FORMATS[kind] + b"\n\0more", kind)


def test_the_end_of_a_png_is_a_chunk_and_not_its_name(path: Path) -> None:
    text = png(8, 8, (b"tEXt", b"IEND" + bytes(100)))
    at = text.index(b"IEND")
    assert is_complete(path, text, "image/png")
    for cut in (at + 8, at + 50):
        assert not is_complete(path, text[:cut], "image/png")


def test_a_video_of_large_boxes_is_complete_at_its_end_only(path: Path) -> None:
    video = MP4 + box(b"mdat", bytes(1000), large=True)
    assert is_complete(path, video, "video/mp4")
    for cut in (1, 500, 1000, 1001, 1004, 1007, 1008, 1010, 1012, 1015):
        assert not is_complete(path, video[:-cut], "video/mp4"), cut


def test_a_last_box_may_reach_to_the_end_of_the_file(path: Path) -> None:
    assert is_complete(path, MP4 + bytes(4) + b"mdat" + bytes(99), "video/mp4")


def test_a_video_that_is_only_announced_is_not_whole(path: Path) -> None:
    head = box(b"ftyp", b"isom\0\0\2\0isommp41")
    assert not is_complete(path, head, "video/mp4")
    assert not is_complete(path, head + box(b"moov", bytes(50)), "video/mp4")


def test_a_box_of_an_impossible_length_ends_the_chain(path: Path) -> None:
    for length in (2, 7):
        assert not is_complete(path, MP4 + length.to_bytes(4, "big") + b"free", "video/mp4")


# Pixels.


def pixels(path: Path, kind: str) -> tuple[int | None, int | None]:
    known = sniff.dimensions(path, kind)
    return known.width, known.height


def test_other_formats_are_not_even_tried(path: Path) -> None:
    path.write_bytes(b"GIF89a\x10\0\x10\0\0\0\0")
    assert pixels(path, "image/png") == (None, None)


def cost_of_looking_at(path: Path, kind: str) -> int:
    """The most memory that reading its size took, in bytes; it may or may not succeed."""
    pixels(path, kind)  # what the library loads once is not the image's fault
    start()
    try:
        pixels(path, kind)
        return get_traced_memory()[1]
    finally:
        stop()


def test_an_image_that_would_fill_the_memory_is_not_drawn(path: Path) -> None:
    path.write_bytes(png(60_000, 60_000))
    assert cost_of_looking_at(path, "image/png") < MEBIBYTE


def test_text_that_would_fill_the_memory_is_not_unpacked(path: Path) -> None:
    bomb = zlib.compress(bytes(64 * MEBIBYTE))
    path.write_bytes(png(10, 10, (b"zTXt", b"Comment\0\0" + bomb)))
    assert cost_of_looking_at(path, "image/png") < 4 * MEBIBYTE


@pytest.mark.parametrize("kind", ["image/jpeg", "image/png", "image/webp"])
def test_a_large_file_is_not_read_whole_for_its_size(path: Path, kind: str) -> None:
    body, filler = FORMATS[kind], bytes(32 * MEBIBYTE)
    if kind == "image/webp":
        body = b"RIFF" + (len(body) + len(filler)).to_bytes(4, "little") + body[8:]
        filler = b"FKPD" + len(filler).to_bytes(4, "little") + filler
    path.write_bytes(body + filler)
    assert cost_of_looking_at(path, kind) < 4 * MEBIBYTE
