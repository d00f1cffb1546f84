"""The download: every byte counted and verified, and nothing kept that is not whole."""

import hashlib
import os
import resource
import socket
import tracemalloc

import pytest

from jobs.domain import errors
from tests.harness.delivery_host import JPEG, MEBIBYTE, DeliveryHost, chunked, md5
from tests.sandbox.formats import MP4, WEBP, gradient
from worker.download import Download

FULL_AT_BYTES = 2048
BIG_MEBIBYTES = 100
FLAT_BYTES = 4 * MEBIBYTE


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
def test_media_are_kept_byte_for_byte(host: DeliveryHost, body: bytes, content_type: str) -> None:
    host.serves(body, Content_MD5=md5(body), Content_Type="text/html")
    got = host.fetch()
    assert got == Download(content_type, len(body), hashlib.sha256(body).hexdigest())
    assert host.path.read_bytes() == body
    host.path.unlink()
    host.serves(body, Content_Length=None)  # the format alone says whether it is whole
    assert host.fetch().bytes == len(body)


@pytest.mark.parametrize("first", [1, 3, 10, 5000])
def test_a_chunked_body_is_put_together(host: DeliveryHost, first: int) -> None:
    body = chunked(JPEG[:first], JPEG[first:9000], JPEG[9000:]) + b"0\r\n\r\n"
    host.serves(body, Content_Length=None, Transfer_Encoding="chunked", Content_MD5=md5(JPEG))
    assert host.fetch().bytes == len(JPEG)
    assert host.path.read_bytes() == JPEG


@pytest.mark.parametrize("missing", [1, 1000, len(JPEG) - 8, len(JPEG) - 3])
def test_a_short_body_is_a_failed_transfer(host: DeliveryHost, missing: int) -> None:
    host.serves(JPEG[:-missing], Content_Length=len(JPEG))
    host.fails(errors.TransferFailed)
    host.serves(JPEG, Content_Length=len(JPEG) + missing)  # although its format is complete
    host.fails(errors.TransferFailed)
    for body in (JPEG[:-missing], b""):  # which ends in silence
        host.serves(body, Content_Length=None)
        host.fails(errors.TransferFailed, "breaks off")


def test_a_chunked_body_that_breaks_off_is_a_failed_transfer(host: DeliveryHost) -> None:
    for body in (chunked(JPEG[:5000]), chunked(JPEG)[:5000], chunked(JPEG[:5000]) + b"zz\r\n"):
        host.serves(body, Content_Length=None, Transfer_Encoding="chunked")
        host.fails(errors.TransferFailed)
        host.path.unlink(missing_ok=True)


def test_bytes_that_do_not_match_their_md5_or_are_encoded_are_a_failed_transfer(
    host: DeliveryHost,
) -> None:
    for wrong in (md5(b"other"), "", "not base64", md5(JPEG).lower()):
        host.serves(JPEG, Content_MD5=wrong)
        host.fails(errors.TransferFailed, "Content-MD5")
        host.path.unlink()
    for encoding in ("gzip", "deflate", "br", "identity, gzip"):
        host.serves(JPEG, Content_Encoding=encoding)
        host.fails(errors.TransferFailed, "encoded")
    assert not host.path.exists()


@pytest.mark.parametrize("status", [204, 206, 304, 400, 408, 429, 500, 502, 503, 504])
def test_an_answer_that_is_no_verdict_is_a_failed_transfer(host: DeliveryHost, status: int) -> None:
    host.serves(b"", status=status)
    host.fails(errors.TransferFailed)
    for dead in (401, 403, 404, 410):
        host.serves(b"<Error>AuthenticationFailed</Error>", status=dead)
        host.fails(errors.UrlExpired, str(dead))
    assert not host.path.exists()


@pytest.mark.parametrize("status", [302, 403, 500])
def test_the_body_of_a_refusal_is_not_read(host: DeliveryHost, status: int) -> None:
    sent = []

    def answer(peer: socket.socket) -> None:
        head = f"HTTP/1.1 {status} X\r\nLocation: //\r\nContent-Length: {2**28}\r\n\r\n"
        peer.sendall(head.encode())
        for _ in range(256):
            peer.sendall(bytes(MEBIBYTE))
            sent.append(MEBIBYTE)

    host.server.answer = answer
    with pytest.raises((errors.TransferFailed, errors.UrlExpired)):
        host.fetch()
    assert len(sent) < 64


@pytest.mark.parametrize("off_by", [-1, 1, 1000])
def test_a_wrong_length_of_chunks_is_a_failed_transfer(host: DeliveryHost, off_by: int) -> None:
    body, length = chunked(JPEG) + b"0\r\n\r\n", len(JPEG) + off_by
    host.serves(body, Content_Length=length, Transfer_Encoding="chunked", Content_MD5=md5(JPEG))
    host.fails(errors.TransferFailed, "bytes arrived")


@pytest.mark.parametrize("length", [len(JPEG) - 1, len(JPEG) // 2])
def test_a_length_that_is_too_small_is_a_failed_transfer(host: DeliveryHost, length: int) -> None:
    host.serves(JPEG, Content_Length=length)
    host.fails(errors.TransferFailed, "breaks off")
    host.path.unlink()
    host.serves(JPEG, Content_Length=length, Content_MD5=md5(JPEG))
    host.fails(errors.TransferFailed, "Content-MD5")
    host.path.unlink()
    host.serves(b"\xff\xd8\xff", Content_Length="9" * 5000)  # no number, therefore
    host.fails(errors.TransferFailed)


def test_a_body_of_exactly_the_largest_size_is_taken_and_no_larger_one(host: DeliveryHost) -> None:
    host.max_bytes = len(JPEG) - 1
    host.serves(JPEG)
    host.fails(errors.MediaTooLarge)
    assert not host.path.exists(), "its length said so"
    host.serves(JPEG, Content_Length=None)
    host.fails(errors.MediaTooLarge)
    assert host.path.stat().st_size <= host.max_bytes
    host.path.unlink()
    host.max_bytes += 1
    host.serves(JPEG)
    assert host.fetch().bytes == len(JPEG)


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
def test_what_is_no_medium_is_refused(host: DeliveryHost, body: bytes) -> None:
    host.serves(body, Content_Type="image/png", Content_MD5=md5(body))
    host.fails(errors.NotMedia)


def test_a_missing_directory_is_named_without_its_path(host: DeliveryHost) -> None:
    host.path = host.path / "canary" / "staged"
    host.serves(JPEG)
    with pytest.raises(errors.StorageError) as caught:
        host.fetch()
    assert "canary" not in str(caught.value)


@pytest.mark.parametrize("size", [4096, MEBIBYTE], ids=["less than a buffer", "a lot"])
def test_a_full_disk_is_an_error_of_the_storage(host: DeliveryHost, size: int) -> None:
    host.serves(b"\xff\xd8\xff" + bytes(size))
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (FULL_AT_BYTES, before[1]))
    try:  # around one call only, for the test's own report may go to a file
        host.fails(errors.StorageError)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_memory_stays_flat_however_large_the_body_is(host: DeliveryHost) -> None:
    sandbox = (8 + BIG_MEBIBYTES * MEBIBYTE).to_bytes(4, "big") + b"mdat"

    def answer(peer: socket.socket) -> None:
        peer.sendall(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n" + MP4 + sandbox)
        block = memoryview(bytes(MEBIBYTE))
        for _ in range(BIG_MEBIBYTES):
            peer.sendall(block)
        peer.shutdown(socket.SHUT_RDWR)

    host.server.answer = answer
    host.max_bytes = 2**30
    tracemalloc.start()
    try:
        got = host.fetch(seconds=60)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert got.bytes == len(MP4) + len(sandbox) + BIG_MEBIBYTES * MEBIBYTE
    assert peak < FLAT_BYTES


def test_no_descriptor_is_left_open(host: DeliveryHost) -> None:
    host.serves(JPEG[:100], Content_Length=len(JPEG))
    host.fails(errors.TransferFailed)
    before = len(os.listdir("/dev/fd"))  # noqa: PTH208 - it is a directory of numbers
    for _ in range(5):
        host.path.unlink(missing_ok=True)
        host.fails(errors.TransferFailed)
    assert len(os.listdir("/dev/fd")) <= before + 1  # noqa: PTH208
