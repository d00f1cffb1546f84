"""Content Credentials are found where each format holds them, and nowhere else."""

import zlib
from pathlib import Path

import pytest

from tests.harness.images import IMAGES, box
from tests.sandbox.formats import MP4
from worker.formats import content_credentials

MANIFEST = b"\0\0\0\x20jumb\0\0\0\x18jumdc2pa" + bytes(64)
C2PA_UUID = bytes.fromhex("d8fec3d61b0e483c92975828877ec481")
OTHER_UUID = bytes(16)
FILES = {**IMAGES, "video/mp4": MP4}


def png_chunk(kind: bytes, content: bytes) -> bytes:
    checksum = zlib.crc32(kind + content).to_bytes(4, "big")
    return len(content).to_bytes(4, "big") + kind + content + checksum


def in_png(content: bytes, kind: bytes = b"caBX") -> bytes:
    body = FILES["image/png"]
    after_header = 8 + 12 + 13
    return body[:after_header] + png_chunk(kind, content) + body[after_header:]


def in_jpeg(content: bytes, marker: int = 0xEB) -> bytes:
    body = FILES["image/jpeg"]
    segment = b"JP\0\1\0\0\0\1" + content
    return (
        body[:2]
        + bytes([0xFF, marker])
        + (len(segment) + 2).to_bytes(2, "big")
        + segment
        + body[2:]
    )


def in_webp(content: bytes, kind: bytes = b"C2PA") -> bytes:
    body = FILES["image/webp"]
    chunk = kind + len(content).to_bytes(4, "little") + content + bytes(len(content) % 2)
    return body[:4] + (len(body) - 8 + len(chunk)).to_bytes(4, "little") + body[8:] + chunk


def in_mp4(content: bytes, name: bytes = C2PA_UUID) -> bytes:
    return FILES["video/mp4"] + box(b"uuid", name, content)


def presence(tmp_path: Path, body: bytes, kind: str) -> bool | None:
    path = tmp_path / "file"
    path.write_bytes(body)
    return content_credentials.are_present(path, kind)


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("image/png", in_png(MANIFEST)),
        ("image/jpeg", in_jpeg(MANIFEST)),
        ("image/webp", in_webp(MANIFEST)),
        ("image/webp", in_webp(MANIFEST + b"odd")),
        ("video/mp4", in_mp4(MANIFEST)),
    ],
)
def test_a_manifest_is_found(tmp_path: Path, kind: str, body: bytes) -> None:
    assert presence(tmp_path, body, kind) is True


@pytest.mark.parametrize("kind", FILES)
def test_a_file_without_a_manifest_has_none(tmp_path: Path, kind: str) -> None:
    assert presence(tmp_path, FILES[kind], kind) is False


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("image/png", in_png(MANIFEST, b"tEXt")),
        ("image/jpeg", in_jpeg(MANIFEST, 0xE1)),
        ("image/jpeg", in_jpeg(bytes(64))),
        ("image/webp", in_webp(MANIFEST, b"XMP ")),
        ("video/mp4", in_mp4(MANIFEST, OTHER_UUID)),
    ],
)
def test_the_words_of_a_manifest_elsewhere_are_none(tmp_path: Path, kind: str, body: bytes) -> None:
    assert presence(tmp_path, body, kind) is False


@pytest.mark.parametrize("kind", FILES)
@pytest.mark.parametrize("length", [1, 3, 9, 20, 40])
def test_a_file_that_is_cut_is_no_error(tmp_path: Path, kind: str, length: int) -> None:
    assert presence(tmp_path, FILES[kind][:length], kind) is False


def test_what_is_no_picture_is_not_searched(tmp_path: Path) -> None:
    assert presence(tmp_path, MANIFEST, "application/octet-stream") is None
    assert presence(tmp_path, b"", "image/png") is None
