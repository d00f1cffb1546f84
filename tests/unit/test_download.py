"""The download: every byte counted and verified, and nothing kept that is not whole."""

import hashlib
import os
import resource
import socket
import tracemalloc
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import requests

from jobs.bfl.hosts import HostPolicy
from jobs.errors import (
    FluxkeepError,
    MediaTooLarge,
    NotMedia,
    StorageError,
    TransferFailed,
    UrlExpired,
)
from jobs.net import http_client
from tests.harness.raw_server import RawServer
from tests.sandbox.formats import JPEGS, MP4, WEBP
from tests.sandbox.gradient import gradient
from worker.download import Download, Limits, download

JPEG = JPEGS[0]
FULL_AT_BYTES = 2048
MEBIBYTE = 2**20
BIG_MEBIBYTES = 100
FLAT_BYTES = 4 * MEBIBYTE


def md5(body: bytes) -> str:
    return b64encode(hashlib.md5(body, usedforsecurity=False).digest()).decode()


def chunked(*chunks: bytes) -> bytes:
    return b"".join(b"%x\r\n%b\r\n" % (len(chunk), chunk) for chunk in chunks)


class Shelf:
    """A delivery host and a directory for what it delivers."""

    def __init__(self, server: RawServer, session: requests.Session, directory: Path) -> None:
        self.server, self.session = server, session
        self.path = directory / "staged"
        self.max_bytes = 10 * MEBIBYTE

    def serves(self, body: bytes, *, status: int = 200, **headers: str | int | None) -> None:
        """Answer with this body and hang up; a header that is None is left out."""
        told = {"Content-Length": len(body)} | {
            name.replace("_", "-"): value for name, value in headers.items()
        }
        lines = [f"{name}: {value}" for name, value in told.items() if value is not None]
        head = "\r\n".join([f"HTTP/1.1 {status} X", *lines, "", ""])

        def answer(peer: socket.socket) -> None:
            peer.sendall(head.encode() + body)
            peer.shutdown(socket.SHUT_RDWR)

        self.server.answer = answer

    def fetch(self, seconds: float = 5.0) -> Download:
        address, allow = (
            self.server.address("/a?sig=b"),
            HostPolicy(sandbox=self.server.origin).validate_delivery_url,
        )
        most = self.max_bytes
        return download(self.session, address, self.path, Limits(seconds, most), allow=allow)

    def fails(self, error: type[FluxkeepError], sentence: str = ".") -> None:
        with pytest.raises(error, match=sentence) as caught:
            self.fetch()
        assert type(caught.value) is error


@pytest.fixture
def shelf(tmp_path: Path) -> Iterator[Shelf]:
    server = RawServer()
    with http_client.create_session(server.origin) as session:
        yield Shelf(server, session, tmp_path)
    server.close()


# What is whole.


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        (JPEG, "image/jpeg"),
        (gradient(7), "image/png"),
        (WEBP, "image/webp"),
        (MP4, "video/mp4"),
    ],
    ids=["jpeg", "png", "webp", "mp4"],
)
def test_media_are_kept_byte_for_byte(shelf: Shelf, body: bytes, content_type: str) -> None:
    shelf.serves(body, Content_MD5=md5(body), Content_Type="text/html")
    got = shelf.fetch()
    assert got == Download(content_type, len(body), hashlib.sha256(body).hexdigest())
    assert shelf.path.read_bytes() == body


def test_without_length_and_md5_the_format_says_whether_it_is_whole(shelf: Shelf) -> None:
    for body in (JPEG, gradient(7), WEBP, MP4):
        shelf.serves(body, Content_Length=None)
        assert shelf.fetch().bytes == len(body)
        shelf.path.unlink()


@pytest.mark.parametrize("first", [1, 3, 10, 5000])
def test_a_chunked_body_is_put_together(shelf: Shelf, first: int) -> None:
    body = chunked(JPEG[:first], JPEG[first:9000], JPEG[9000:]) + b"0\r\n\r\n"
    shelf.serves(body, Content_Length=None, Transfer_Encoding="chunked", Content_MD5=md5(JPEG))
    assert shelf.fetch().bytes == len(JPEG)
    assert shelf.path.read_bytes() == JPEG


# What is not.


@pytest.mark.parametrize("missing", [1, 1000, len(JPEG) - 8, len(JPEG) - 3])
def test_a_short_body_is_a_failed_transfer(shelf: Shelf, missing: int) -> None:
    shelf.serves(JPEG[:-missing], Content_Length=len(JPEG))
    shelf.fails(TransferFailed)


def test_a_body_shorter_than_its_length_is_short_however_whole_it_looks(shelf: Shelf) -> None:
    shelf.serves(JPEG, Content_Length=len(JPEG) + 1)
    shelf.fails(TransferFailed)


@pytest.mark.parametrize("missing", [1, 1000, len(JPEG) - 8, len(JPEG)])
def test_a_body_that_ends_in_silence_is_a_failed_transfer(shelf: Shelf, missing: int) -> None:
    shelf.serves(JPEG[: len(JPEG) - missing], Content_Length=None)
    shelf.fails(TransferFailed, "breaks off")


def test_a_chunked_body_that_breaks_off_is_a_failed_transfer(shelf: Shelf) -> None:
    for body in (chunked(JPEG[:5000]), chunked(JPEG)[:5000], chunked(JPEG[:5000]) + b"zz\r\n"):
        shelf.serves(body, Content_Length=None, Transfer_Encoding="chunked")
        shelf.fails(TransferFailed)
        shelf.path.unlink(missing_ok=True)


def test_bytes_that_do_not_match_their_md5_are_a_failed_transfer(shelf: Shelf) -> None:
    for wrong in (md5(b"other"), "", "not base64", md5(JPEG).lower()):
        shelf.serves(JPEG, Content_MD5=wrong)
        shelf.fails(TransferFailed, "Content-MD5")
        shelf.path.unlink()


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "br", "identity, gzip"])
def test_an_encoded_body_is_a_failed_transfer(shelf: Shelf, encoding: str) -> None:
    shelf.serves(JPEG, Content_Encoding=encoding)
    shelf.fails(TransferFailed, "encoded")
    assert not shelf.path.exists()


@pytest.mark.parametrize("status", [204, 206, 304, 400, 408, 429, 500, 502, 503, 504])
def test_an_answer_that_is_no_verdict_is_a_failed_transfer(shelf: Shelf, status: int) -> None:
    shelf.serves(b"", status=status)
    shelf.fails(TransferFailed)
    assert not shelf.path.exists()


@pytest.mark.parametrize("status", [401, 403, 404, 410])
def test_an_expired_url_is_dead(shelf: Shelf, status: int) -> None:
    shelf.serves(b"<Error>AuthenticationFailed</Error>", status=status)
    shelf.fails(UrlExpired, str(status))


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_to_another_host_is_not_followed(shelf: Shelf, status: int) -> None:
    shelf.serves(b"", status=status, Location="http://127.0.0.1:1/")
    shelf.fails(TransferFailed, "a redirect is not followed")
    assert len(shelf.server.heads) == 1


def test_a_body_that_is_too_large_is_refused_by_its_length(shelf: Shelf) -> None:
    shelf.max_bytes = len(JPEG) - 1
    shelf.serves(JPEG)
    shelf.fails(MediaTooLarge)
    assert not shelf.path.exists()


def test_a_body_that_is_too_large_is_refused_by_its_count(shelf: Shelf) -> None:
    shelf.max_bytes = len(JPEG) - 1
    shelf.serves(JPEG, Content_Length=None)
    shelf.fails(MediaTooLarge)
    assert shelf.path.stat().st_size <= shelf.max_bytes


def test_a_body_of_exactly_the_largest_size_is_taken(shelf: Shelf) -> None:
    shelf.max_bytes = len(JPEG)
    shelf.serves(JPEG)
    assert shelf.fetch().bytes == len(JPEG)


@pytest.mark.parametrize(
    "body",
    [
        b"<html><script>alert(1)</script></html>",
        b'<svg xmlns="http://www.w3.org/2000/svg"><script/></svg>',
        b"GIF89a" + bytes(100),
        b"%PDF-1.7" + bytes(100),
        b"\0" * 100,
        b"x",
    ],
    ids=["html", "svg", "gif", "pdf", "zeros", "one byte"],
)
def test_what_is_no_image_or_video_is_refused_whatever_the_header_says(
    shelf: Shelf, body: bytes
) -> None:
    shelf.serves(body, Content_Type="image/png", Content_MD5=md5(body))
    shelf.fails(NotMedia)


# Disks.


def test_a_missing_directory_is_said_to_be_the_storages_fault(shelf: Shelf) -> None:
    shelf.path = shelf.path / "nowhere" / "staged"
    shelf.serves(JPEG)
    shelf.fails(StorageError)


def test_a_staged_file_is_never_written_over(shelf: Shelf) -> None:
    shelf.path.write_bytes(b"another worker's")
    shelf.serves(JPEG)
    shelf.fails(StorageError)
    assert shelf.path.read_bytes() == b"another worker's"


@contextmanager
def a_full_disk() -> Iterator[None]:
    """No file may grow: around one call only, for the test's own report may go to a file."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (FULL_AT_BYTES, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize("size", [4096, MEBIBYTE], ids=["less than a buffer", "a lot"])
def test_a_full_disk_is_said_to_be_the_storages_fault(shelf: Shelf, size: int) -> None:
    shelf.serves(b"\xff\xd8\xff" + bytes(size))
    with a_full_disk():
        shelf.fails(StorageError)


def test_the_reason_names_no_path(shelf: Shelf) -> None:
    shelf.path = shelf.path / "canary" / "staged"
    shelf.serves(JPEG)
    with pytest.raises(StorageError) as caught:
        shelf.fetch()
    assert "canary" not in str(caught.value)


# Memory and descriptors.


def test_memory_stays_flat_however_large_the_body_is(shelf: Shelf) -> None:
    box = (8 + BIG_MEBIBYTES * MEBIBYTE).to_bytes(4, "big") + b"mdat"

    def answer(peer: socket.socket) -> None:
        peer.sendall(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n" + MP4 + box)
        block = memoryview(bytes(MEBIBYTE))
        for _ in range(BIG_MEBIBYTES):
            peer.sendall(block)
        peer.shutdown(socket.SHUT_RDWR)

    shelf.server.answer = answer
    shelf.max_bytes = 2**30
    tracemalloc.start()
    try:
        got = shelf.fetch(seconds=60)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert got.bytes == len(MP4) + len(box) + BIG_MEBIBYTES * MEBIBYTE
    assert peak < FLAT_BYTES


def test_no_descriptor_is_left_open(shelf: Shelf) -> None:
    shelf.serves(JPEG[:100], Content_Length=len(JPEG))
    shelf.fails(TransferFailed)
    before = len(os.listdir("/dev/fd"))  # noqa: PTH208 - it is a directory of numbers
    for _ in range(5):
        shelf.path.unlink(missing_ok=True)
        shelf.fails(TransferFailed)
    assert len(os.listdir("/dev/fd")) <= before + 1  # noqa: PTH208
