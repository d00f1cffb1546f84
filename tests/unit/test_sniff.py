"""Media types by magic bytes, completeness of files, and sizes of images."""

import sys
import threading
import time
import zlib
from collections.abc import Callable
from pathlib import Path
from tracemalloc import get_traced_memory, start, stop

import pytest

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


@KINDS
def test_only_a_whole_file_is_complete(path: Path, kind: str) -> None:
    body = FORMATS[kind]
    assert is_complete(path, body, kind)
    for length in (16, 30, len(body) // 3, len(body) // 2, len(body) - 5, len(body) - 1):
        assert not is_complete(path, body[:length], kind), length
    assert is_complete(path, body + b"\n\0more", kind) is (kind != "video/mp4")


def test_a_thumbnail_inside_a_jpeg_is_not_its_end(path: Path) -> None:
    exif = b"Exif\0\0" + JPEGS[1]
    segment = b"\xff\xe1" + (2 + len(exif)).to_bytes(2, "big") + exif
    body = JPEG[:2] + segment + JPEG[2:]
    assert is_complete(path, body, "image/jpeg")
    assert not is_complete(path, body[:-2000], "image/jpeg")


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
    assert is_complete(path, MP4 + bytes(4) + b"mdat" + bytes(99), "video/mp4"), "up to the end"
    announced = box(b"ftyp", b"isom\0\0\2\0isommp41")
    impossible = (MP4 + length.to_bytes(4, "big") + b"free" for length in (2, 7))
    for body in (announced, announced + box(b"moov", bytes(50)), *impossible):
        assert not is_complete(path, body, "video/mp4"), body


def cost_of_looking_at(path: Path, kind: str) -> int:
    """The most memory that reading its size took, in bytes; it may or may not succeed."""
    sniff.dimensions(path, kind)  # what the library loads once is not the image's fault
    start()
    try:
        sniff.dimensions(path, kind)
        return get_traced_memory()[1]
    finally:
        stop()


def test_an_image_that_would_fill_the_memory_is_neither_drawn_nor_unpacked(path: Path) -> None:
    path.write_bytes(png(60_000, 60_000))
    assert cost_of_looking_at(path, "image/png") < MEBIBYTE
    bomb = zlib.compress(bytes(64 * MEBIBYTE))
    path.write_bytes(png(10, 10, (b"zTXt", b"Comment\0\0" + bomb)))
    assert cost_of_looking_at(path, "image/png") < 4 * MEBIBYTE
    path.write_bytes(b"GIF89a\x10\0\x10\0\0\0\0")
    assert sniff.dimensions(path, "image/png") == sniff.UNKNOWN, "other formats are not tried"


@pytest.mark.parametrize("kind", ["image/jpeg", "image/png", "image/webp"])
def test_a_large_file_is_not_read_whole_for_its_size(path: Path, kind: str) -> None:
    body, filler = FORMATS[kind], bytes(32 * MEBIBYTE)
    if kind == "image/webp":
        body = b"RIFF" + (len(body) + len(filler)).to_bytes(4, "little") + body[8:]
        filler = b"FKPD" + len(filler).to_bytes(4, "little") + filler
    path.write_bytes(body + filler)
    assert cost_of_looking_at(path, kind) < 4 * MEBIBYTE


SIZE_BYTES = 8 * 2**20
SECONDS_MAX = 20.0  # on a busy machine; an hour and more where a run of FF was read again and again
GIL_SECONDS_MAX = 5.0

HOSTILE: dict[str, tuple[str, Callable[[int], bytes]]] = {
    "a run of FF": ("image/jpeg", lambda n: b"\xff\xd8" + b"\xff" * n),
    "runs of FF 00": ("image/jpeg", lambda n: b"\xff\xd8" + b"\xff\x00" * (n // 2)),
    "FF and restart markers": (
        "image/jpeg",
        lambda n: b"\xff\xd8" + b"\xff\xff\xd0" * (n // 3),
    ),
    "segments without a length": (
        "image/jpeg",
        lambda n: b"\xff\xd8" + b"\xff\xe0\x00\x00" * (n // 4),
    ),
    "zeros": ("image/jpeg", lambda n: b"\xff\xd8\xff" + bytes(n)),
    "empty boxes": ("video/mp4", lambda n: b"\x00\x00\x00\x08ftyp" * (n // 8)),
    "a PNG of FF": ("image/png", lambda n: b"\x89PNG\r\n\x1a\n" + b"\xff" * n),
    "a WebP of FF": ("image/webp", lambda n: b"RIFF" + b"\xff" * n),
}


@pytest.mark.parametrize(("kind", "made"), HOSTILE.values(), ids=HOSTILE)
def test_scans_have_bounded_time(tmp_path: Path, kind: str, made: Callable[[int], bytes]) -> None:
    path = tmp_path / "hostile"
    path.write_bytes(made(SIZE_BYTES))
    gaps = Gaps()
    with gaps:
        began = time.monotonic()
        assert not sniff.is_complete(path, kind)
        sniff.dimensions(path, kind)
        assert time.monotonic() - began < SECONDS_MAX
    assert gaps.longest < GIL_SECONDS_MAX


class Gaps:
    """How long another thread was kept from running."""

    def __init__(self) -> None:
        self.longest = 0.0
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def _run(self) -> None:
        last = time.monotonic()
        while not self._over.wait(sys.getswitchinterval()):
            now = time.monotonic()
            self.longest, last = max(self.longest, now - last), now

    def __enter__(self) -> "Gaps":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()


@pytest.mark.parametrize("at", range(sniff.WINDOW_BYTES - 4, sniff.WINDOW_BYTES + 4))
def test_an_end_marker_is_found_wherever_a_window_ends(tmp_path: Path, at: int) -> None:
    path = tmp_path / "image"
    path.write_bytes(b"\xff\xd8" + b"\x00" * at + b"\xff\xff\xd9" + b"\x00" * 20)
    assert sniff.is_complete(path, "image/jpeg")
