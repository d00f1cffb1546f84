"""Width and height of images and videos, and the duration of videos."""

import warnings
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from jobs.storage import layout
from tests.harness.images import IMAGES, box, corners, encoded, png
from tests.sandbox.formats import FORMATS, MP4
from worker.formats import mp4, sniff
from worker.formats.sniff import Dimensions

READS_MAX = 40_000  # of a box's length, kind and content: some 30 ms
FTYP = b"\0\0\0\x10ftypisom\0\0\0\0"


def header(duration: int, scale: int = 1000, version: int = 0) -> bytes:
    """`mvhd`: version, dates, time scale, duration, and what nobody here reads."""
    size = 8 if version else 4
    times = bytes(2 * size) + scale.to_bytes(4, "big") + duration.to_bytes(size, "big")
    return box(b"mvhd", bytes([version, 0, 0, 0]), times, bytes(80))


def track(width: float, height: float, handler: bytes = b"vide", version: int = 0) -> bytes:
    """`trak` with `tkhd`, whose last two numbers are the size, and with its handler."""
    before = bytes([version, 0, 0, 0]) + bytes(84 if version else 72)
    size = b"".join(round(side * 2**16).to_bytes(4, "big") for side in (width, height))
    kind = box(b"hdlr", bytes(8), handler, bytes(13))
    return box(b"trak", box(b"tkhd", before, size), box(b"mdia", kind))


def video(*movie: bytes, large: bool = False, moov_first: bool = True) -> bytes:
    parts = [box(b"moov", *movie, large=large), box(b"mdat", bytes(1000), large=large)]
    return FTYP + b"".join(parts if moov_first else reversed(parts))


def extends(duration: int, version: int = 0) -> bytes:
    """`mvex`: there are fragments, this long altogether."""
    size = 8 if version else 4
    return box(b"mvex", box(b"mehd", bytes([version, 0, 0, 0]), duration.to_bytes(size, "big")))


SOUND = track(0, 0, b"soun")
FILES = {**IMAGES, "video/mp4": MP4}


def known(tmp_path: Path, body: bytes, kind: str = "video/mp4") -> Dimensions:
    path = tmp_path / "file"
    path.write_bytes(body)
    found = sniff.dimensions(path, kind)
    assert path.read_bytes() == body
    return found


# Videos.


@pytest.mark.parametrize(
    ("version", "large", "moov_first"), list(product([0, 1], [False, True], [False, True]))
)
def test_every_video_is_read(tmp_path: Path, version: int, large: bool, moov_first: bool) -> None:
    movie = (header(5042, version=version), SOUND, track(1920, 1080, version=version))
    to_the_end = FTYP + b"\0\0\0\0moov" + b"".join(movie)  # a last box has no length
    for body in (video(*movie, large=large, moov_first=moov_first), to_the_end):
        assert known(tmp_path, body) == Dimensions(1920, 1080, 5.042)


def test_videos_of_fragments_and_of_the_sandbox_tell_their_duration(tmp_path: Path) -> None:
    for size in (0, 100_000):
        parts = FORMATS["mp4"]("a video", size, lambda noise: [bytes(len(noise))])
        body = b"".join(part if isinstance(part, bytes) else bytes(len(part)) for part in parts)
        assert known(tmp_path, body) == Dimensions(320, 320, 2.0)
    for version, own in product((0, 1), (0, 1000)):
        body = video(header(own), track(640, 360), extends(7000, version))
        assert known(tmp_path, body) == Dimensions(640, 360, 7.0)


@pytest.mark.parametrize(
    "movie",
    [
        header(0),
        header(0) + box(b"mvex"),
        header(0) + extends(0),
        header(2**32 - 1),
        header(2**64 - 1, version=1),
        header(1000, scale=0),
        box(b"mvhd"),
        header(1000)[:20],
        b"",
    ],
)
def test_a_video_may_not_know_its_duration(tmp_path: Path, movie: bytes) -> None:
    assert known(tmp_path, video(track(640, 360), movie)).seconds is None


@pytest.mark.parametrize(
    "tracks",
    [
        SOUND,
        track(0, 360),
        track(640, 360, b"soun"),
        box(b"trak"),
        box(b"trak", box(b"mdia", box(b"hdlr", bytes(8), b"vide"))),
        box(b"trak", box(b"tkhd", bytes(20)), box(b"mdia", box(b"hdlr", bytes(8), b"vide"))),
        b"",
    ],
)
def test_a_video_may_have_no_image(tmp_path: Path, tracks: bytes) -> None:
    assert known(tmp_path, video(header(1000), tracks)) == Dimensions(None, None, 1.0)


def test_numbers_have_no_fractions_and_no_end(tmp_path: Path) -> None:
    body = video(header(2**64 - 2, scale=1, version=1))
    assert known(tmp_path, body).seconds == pytest.approx(2**64)
    assert known(tmp_path, video(track(640.9, 360.5))) == Dimensions(640, 360)


def test_a_length_beyond_the_end_is_not_followed(tmp_path: Path) -> None:
    whole = video(header(1000), track(640, 360))
    for length in (2**31, 2**32 - 1, 2, 7):
        assert known(tmp_path, FTYP + length.to_bytes(4, "big") + whole[20:]) == sniff.UNKNOWN
    for long in (0, 15, 2**63, 2**64 - 1):
        assert known(tmp_path, FTYP + b"\0\0\0\1moov" + long.to_bytes(8, "big")) == sniff.UNKNOWN
    movie = header(1000)  # reaches out of the box that holds it
    body = FTYP + box(b"moov", movie[:20]) + movie[20:] + box(b"mdat")
    assert known(tmp_path, body) == sniff.UNKNOWN
    deep = b""
    for _ in range(20_000):
        deep = box(b"moov", deep[-160_000:])
    assert known(tmp_path, FTYP + deep) == sniff.UNKNOWN


def nested(movies: int, tracks: int, media: int, size: int) -> bytes:
    """A video of this size in bytes, or a little more, with boxes in boxes that nothing is in."""
    small = box(b"free") * max(size // (8 * movies * tracks * media) - 1, 0)
    return box(b"moov", box(b"trak", box(b"mdia", small) * media) * tracks) * movies


@pytest.mark.parametrize("size", [8 * 1024, 64 * 1024, 2**20])
@pytest.mark.parametrize(
    "shape", [(1, 1, 1), (3, 1, 1), (1, 1000, 1), (1, 16, 256), (16, 256, 16), (256, 250, 1)]
)
def test_many_boxes_are_not_scanned_to_the_end(shape: tuple[int, int, int], size: int) -> None:
    for body in (nested(*shape, size), box(b"free") * (size // 8)):
        recheck = _Watched(FTYP + body)
        assert mp4.size(recheck) is None
        assert recheck.reads < READS_MAX
        assert mp4.seconds(recheck) is None
        assert recheck.reads < 2 * READS_MAX


class _Watched(bytes):
    """Bytes that count how often they are looked at."""

    reads = 0

    def __getitem__(self, key: Any) -> Any:
        self.reads += 1
        return super().__getitem__(key)


@given(st.binary(max_size=200))
def test_any_bytes_in_a_video_raise_nothing(content: bytes) -> None:
    mp4.size(FTYP + box(b"moov", content))
    mp4.seconds(FTYP + box(b"moov", box(b"mvhd", content), extends(7)))


# Images.


@pytest.mark.parametrize("kind", IMAGES)
@pytest.mark.parametrize("size", [(1, 1), (300, 200), (17, 4097)])
def test_an_image_tells_its_size(tmp_path: Path, kind: str, size: tuple[int, int]) -> None:
    assert known(tmp_path, encoded(corners(*size), kind), kind) == Dimensions(*size)


def test_every_kind_of_webp_tells_its_size(tmp_path: Path) -> None:
    image, kind = corners(300, 200), "image/webp"
    moving = {"save_all": True, "append_images": [corners(300, 200).rotate(180)]}
    for options in ({}, {"lossless": True}, {"exif": b"Exif\0\0MM"}, moving):
        assert known(tmp_path, encoded(image, kind, **options), kind) == Dimensions(300, 200)
    see_through = encoded(image.convert("RGBA"), kind, lossless=True)
    assert known(tmp_path, see_through, kind) == Dimensions(300, 200)


def test_a_jpeg_tells_its_size_among_other_segments(tmp_path: Path) -> None:
    body = encoded(corners(300, 200), "image/jpeg")
    inside = b"Exif\0\0" + encoded(corners(16, 16), "image/jpeg")
    thumbnail = b"\xff\xe1" + (2 + len(inside)).to_bytes(2, "big") + inside
    progressive = {"progressive": True, "comment": b"\xff\xc0" * 99}
    for found in (
        encoded(corners(300, 200), "image/jpeg", **progressive),
        body[:2] + thumbnail + body[2:],
    ):
        assert known(tmp_path, found, "image/jpeg") == Dimensions(300, 200)
    swarm = body[:2] + b"\xff\xfe\0\2" * 1_000_000 + body[2:]
    assert known(tmp_path, swarm, "image/jpeg") == sniff.UNKNOWN, "it is not scanned"


@pytest.mark.parametrize("kind", [*IMAGES, "video/mp4"])
def test_a_file_without_content_tells_nothing(tmp_path: Path, kind: str) -> None:
    for body in (b"", b"\xff\xd8\xff", b"\xff" * 5000, bytes(50), bytes(16)):
        assert known(tmp_path, body, kind) == sniff.UNKNOWN
    assert sniff.dimensions(tmp_path / "no file", kind) == sniff.UNKNOWN
    assert known(tmp_path, png(0, 100), "image/png") == sniff.UNKNOWN


@given(
    kind=st.sampled_from(sorted(FILES)),
    spots=st.lists(st.tuples(st.integers(0, 400), st.integers(0, 255)), max_size=8),
    length=st.integers(0, 3000),
)
def test_a_damaged_or_truncated_file_raises_nothing(
    tmp_path_factory: pytest.TempPathFactory, kind: str, spots: list[tuple[int, int]], length: int
) -> None:
    body = bytearray(FILES[kind][:length])
    for at, value in spots:
        body[at : at + 1] = bytes([value])
    directory = tmp_path_factory.getbasetemp()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Pillow warns of damage
        known(directory, bytes(body), kind)
    sniff.is_complete(directory / "file", kind)


@pytest.mark.parametrize("size", [(64, 48), (1, 1), (2000, 1000)])
def test_an_avif_is_known_by_its_brand_and_its_size(tmp_path: Path, size: tuple[int, int]) -> None:
    path = tmp_path / "image.avif"
    Image.new("RGB", size, "teal").save(path, "AVIF")
    body = path.read_bytes()
    assert layout.sniffed_type(body[: layout.HEAD_BYTES]) == "image/avif"
    assert known(tmp_path, body, "image/avif") == Dimensions(*size)
    assert sniff.is_complete(path, "image/avif")
    path.write_bytes(body[:-1])
    assert not sniff.is_complete(path, "image/avif")
