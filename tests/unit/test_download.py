"""The download: every byte counted and verified, and nothing kept that is not whole."""

import gzip
import hashlib
import os
import resource
import socket
import tracemalloc
import zlib
from base64 import b64encode
from typing import Any

import pytest

from jobs.domain import errors
from tests.harness.delivery_host import JPEG, MEBIBYTE, DeliveryHost, chunked, md5
from tests.harness.images import box
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


# What another program of the uploader says about intact bytes.
LYING_HEADERS: dict[str, dict[str, Any]] = {
    **{
        f"coding {coding or 'empty'}": {"Content_Encoding": coding}
        for coding in (
            *("", "identity", "IDENTITY", "aws-chunked", "utf-8", "binary", "none", "gzip"),
            *("GZIP", "x-gzip", "deflate", "br", "zstd", "identity, gzip", "gzip,aws-chunked"),
            *("gzip, br, zstd, gzip, gzip, gzip", "base64", ", ,"),
        )
    },
    "an MD5 that is empty": {"Content_MD5": ""},
    "an MD5 in hex": {"Content_MD5": hashlib.md5(JPEG, usedforsecurity=False).hexdigest()},
    "an MD5 in capitals": {
        "Content_MD5": hashlib.md5(JPEG, usedforsecurity=False).hexdigest().upper()
    },
    "an MD5 in quotes": {"Content_MD5": f'"{md5(JPEG)}"'},
    "an MD5 that is cut": {"Content_MD5": md5(JPEG)[:-4]},
    "an MD5 that is none": {"Content_MD5": "not base64"},
    "a SHA-256 for an MD5": {"Content_MD5": b64encode(bytes(32)).decode()},
    "other digests": {
        "Digest": "sha-256=AAAA",
        "Repr_Digest": "sha-256=:AAAA:",
        "Content_Digest": "md5=:AAAA:",
        "X_Goog_Hash": "crc32c=AAAA==, md5=AAAAAAAAAAAAAAAAAAAAAA==",
        "ETag": '"d41d8cd98f00b204e9800998ecf8427e"',
    },
}


@pytest.mark.parametrize("headers", LYING_HEADERS.values(), ids=LYING_HEADERS)
def test_headers_that_say_nothing_about_the_bytes_cost_nothing(
    host: DeliveryHost, headers: dict[str, Any]
) -> None:
    host.serves(JPEG, **headers)
    assert host.fetch() == Download("image/jpeg", len(JPEG), hashlib.sha256(JPEG).hexdigest())
    assert host.path.read_bytes() == JPEG


def _raw_deflate(body: bytes) -> bytes:
    packer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return packer.compress(body) + packer.flush()


SIGNATURE = b";chunk-signature=" + b"0a" * 32


def _upload(body: bytes, signature: bytes = SIGNATURE, trailer: bytes = b"") -> bytes:
    """A body as S3's clients frame it when they upload it."""
    frames = [body[:9000], body[9000:]]
    lines = [b"%x%b\r\n%b\r\n" % (len(frame), signature, frame) for frame in frames]
    return b"".join(lines) + b"0" + signature + b"\r\n" + trailer + b"\r\n"


PACKED: dict[str, tuple[str | None, bytes]] = {
    "a signed upload": ("aws-chunked", _upload(JPEG)),
    "an upload with a checksum": ("AWS-chunked", _upload(JPEG, b"", b"x-amz-checksum-crc32:AA==")),
    "an upload without its last line": ("aws-chunked", _upload(JPEG, b"")[:-2]),
    "an upload of gzip": ("gzip,aws-chunked", _upload(gzip.compress(JPEG))),
    "an upload of gzip, named first": ("aws-chunked, gzip", _upload(gzip.compress(JPEG))),
    "gzip": ("gzip", gzip.compress(JPEG)),
    "gzip with a name": (
        "X-GZIP",
        b"\x1f\x8b\x08\x08" + bytes(6) + b"a\0" + gzip.compress(JPEG)[10:],
    ),
    "gzip in two parts": ("gzip", gzip.compress(JPEG[:9000]) + gzip.compress(JPEG[9000:])),
    "gzip with more behind it": ("gzip", gzip.compress(JPEG) + b"\0\0more"),
    "gzip without a header": (None, gzip.compress(JPEG)),
    "gzip twice": ("gzip, gzip", gzip.compress(gzip.compress(JPEG))),
    "gzip, named twice": ("gzip, gzip", gzip.compress(JPEG)),
    "deflate": ("deflate", zlib.compress(JPEG)),
    "raw deflate": ("deflate", _raw_deflate(JPEG)),
    "deflate in gzip": ("deflate, gzip", gzip.compress(zlib.compress(JPEG))),
}


@pytest.mark.parametrize(("coding", "body"), PACKED.values(), ids=PACKED)
def test_a_body_in_a_coding_is_decoded(host: DeliveryHost, coding: str | None, body: bytes) -> None:
    for digest in (md5(JPEG), md5(body), None):
        host.serves(body, Content_Encoding=coding, Content_MD5=digest)
        got = host.fetch()
        assert got == Download("image/jpeg", len(JPEG), hashlib.sha256(JPEG).hexdigest())
        assert host.path.read_bytes() == JPEG
        assert list(host.path.parent.iterdir()) == [host.path]
    host.serves(chunked(body) + b"0\r\n\r\n", Transfer_Encoding="chunked", Content_Length=None)
    if coding in (None, "gzip"):
        assert host.fetch().bytes == len(JPEG)


def test_a_coded_body_that_unpacks_to_more_than_the_largest_size_is_refused(
    host: DeliveryHost,
) -> None:
    bomb = gzip.compress(JPEG + bytes(64 * MEBIBYTE))
    for body in (bomb, gzip.compress(bomb)):
        host.serves(body, Content_Encoding="gzip, gzip")
        host.fails(errors.MediaTooLarge)
        assert host.path.stat().st_size <= host.max_bytes
    assert list(host.path.parent.iterdir()) == [host.path]


def test_a_coded_body_that_cannot_be_decoded_is_a_failed_transfer(host: DeliveryHost) -> None:
    for coding in ("br", "zstd", "zstd, br"):
        host.serves(b"\x28\xb5\x2f\xfd" + bytes(range(1, 200)), Content_Encoding=coding)
        host.fails(errors.TransferFailed, "encoded in")
    host.serves(gzip.compress(JPEG)[:20], Content_Encoding="gzip")
    host.fails(errors.TransferFailed, "break off")
    host.serves(gzip.compress(b"<html>" * 99), Content_Encoding="gzip")
    host.fails(errors.NotMedia)


# Of a whole transfer: what contradicts the bytes, and how they are framed.
DOUBTS: dict[str, tuple[str, bytes, dict[str, Any]]] = {
    "another MD5": ("Content-MD5", JPEG, {"Content_MD5": md5(b"an older version")}),
    "another MD5 in hex": ("Content-MD5", JPEG, {"Content_MD5": "0" * 32}),
    "a JPEG without its end": ("breaks off", JPEG[:-2], {}),
    "a PNG without its checksum": ("breaks off", gradient(7)[:-4], {}),
    "a WebP without its padding": ("breaks off", WEBP[:-1], {}),
    "an MP4 with four zeros behind it": ("other bytes follow", MP4 + bytes(4), {}),
    "an MP4 with a cut box": ("other bytes follow", MP4 + b"\0\0\x01\0free", {}),
    "an MP4 with text behind it": ("other bytes follow", MP4 + b"made by hand, really", {}),
    "gzip without its end": ("break off", gzip.compress(JPEG)[:-20], {"Content_Encoding": "gzip"}),
    "gzip with another checksum": (
        "checksum",
        gzip.compress(JPEG)[:-8] + bytes(8),
        {"Content_Encoding": "gzip"},
    ),
}


@pytest.mark.parametrize(("doubt", "body", "headers"), DOUBTS.values(), ids=DOUBTS)
def test_what_contradicts_the_bytes_of_a_whole_transfer_is_a_doubt(
    host: DeliveryHost, doubt: str, body: bytes, headers: dict[str, Any]
) -> None:
    host.serves(body, **headers)
    assert doubt in host.fetch().doubt
    framed = chunked(body) + b"0\r\n\r\n"
    host.serves(framed, Transfer_Encoding="chunked", Content_Length=None, **headers)
    assert doubt in host.fetch().doubt


@pytest.mark.parametrize(
    "name", [name for name in DOUBTS if "MD5" not in name and "ch" not in name]
)
def test_without_framing_nothing_proves_that_a_file_that_breaks_off_is_whole(
    host: DeliveryHost, name: str
) -> None:
    _, body, headers = DOUBTS[name]
    host.serves(body, Content_Length=None, **headers)
    host.fails(errors.TransferFailed, "break|follow")


WHOLE: dict[str, tuple[str, bytes]] = {
    "a JPEG with more behind it": ("image/jpeg", JPEG + b"\0\0trailer"),
    "a PNG with more behind it": ("image/png", gradient(7) + b"trailer"),
    "a fragmented MP4": ("video/mp4", MP4 + box(b"moof", bytes(8)) + box(b"mdat", bytes(9))),
    "an MP4 with its index behind the samples": (
        "video/mp4",
        box(b"ftyp", b"isom", bytes(4)) + box(b"mdat", bytes(99)) + box(b"moov", bytes(8)),
    ),
    "an MP4 with a box to the end": ("video/mp4", MP4 + b"\0\0\0\0free" + bytes(5)),
}


@pytest.mark.parametrize(("content_type", "body"), WHOLE.values(), ids=WHOLE)
def test_a_whole_file_has_no_doubt(host: DeliveryHost, content_type: str, body: bytes) -> None:
    host.serves(body)
    got = host.fetch()
    assert (got.content_type, got.bytes, got.doubt) == (content_type, len(body), "")


def test_frames_of_an_upload_that_break_off_are_a_doubt(host: DeliveryHost) -> None:
    second = _upload(JPEG).index(b"\r\n", 9100)
    for body in (_upload(JPEG)[:-500], _upload(JPEG)[: second + 2]):
        host.serves(body, Content_Encoding="aws-chunked")
        assert "frames of its upload break off" in host.fetch().doubt


@pytest.mark.parametrize(
    ("status", "headers"),
    [
        (203, {}),
        (206, {"Content_Range": f"bytes 0-{len(JPEG) - 1}/{len(JPEG)}"}),
    ],
)
def test_a_whole_file_is_kept_whatever_the_proxy_calls_it(
    host: DeliveryHost, status: int, headers: dict[str, Any]
) -> None:
    host.serves(JPEG, status=status, **headers)
    assert host.fetch().bytes == len(JPEG)


@pytest.mark.parametrize(
    "content_range", [None, "", "bytes 0-9/*", f"bytes 0-{len(JPEG) - 1}/{len(JPEG) + 1}", "bytes"]
)
def test_a_part_of_a_file_is_a_failed_transfer(
    host: DeliveryHost, content_range: str | None
) -> None:
    host.serves(JPEG, status=206, Content_Range=content_range)
    host.fails(errors.TransferFailed, "206")


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
def test_a_length_beside_chunks_is_a_doubt_at_most(host: DeliveryHost, off_by: int) -> None:
    """The chunks are the framing (RFC 9112)."""
    body, length = chunked(JPEG) + b"0\r\n\r\n", len(JPEG) + off_by
    host.serves(body, Content_Length=length, Transfer_Encoding="chunked", Content_MD5=md5(JPEG))
    got = host.fetch()
    assert got.bytes == len(JPEG) and "bytes arrived" in got.doubt


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


@pytest.mark.parametrize(
    ("location", "target"),
    [
        ("/b c|d^e?sig=x/y==&n=1 2#fragment", "/b%20c%7Cd%5Ee?sig=x/y==&n=1%202"),
        ("/ü.jpeg?sig=%2f", "/%C3%BC.jpeg?sig=%2f"),
        ("ü/x?ü", "/%C3%BC/x?%C3%BC"),
        ("../../b#", "/b"),
        ("{origin}/b?sig=a%2Bb#c", "/b?sig=a%2Bb"),
        ('{origin}/"b"', "/%22b%22"),
        (" /b ", "/b"),
        ("?sig=new", "/a?sig=new"),
    ],
)
def test_a_redirect_is_followed_as_browsers_do(
    host: DeliveryHost, location: str, target: str
) -> None:
    to = location.format(origin=host.server.origin)
    redirect = f"HTTP/1.1 302 X\r\nLocation: {to}\r\nContent-Length: 0\r\n\r\n"
    image = b"HTTP/1.1 200 X\r\nContent-Length: %d\r\n\r\n" % len(JPEG) + JPEG
    answers = [redirect.encode(), image]
    host.server.answer = lambda peer: peer.sendall(answers.pop(0))
    assert host.fetch().bytes == len(JPEG)
    assert host.server.heads[-1].startswith(f"GET {target} HTTP/1.1\r\n".encode())


@pytest.mark.parametrize(
    "location",
    [
        "{origin}\\b",
        "\\b",
        "/b\tc",
        "{origin}/b\x7f",
        "http://user@127.0.0.1:{port}/b",
        "//user:x@127.0.0.1:{port}/b",
    ],
)
def test_a_redirect_that_parsers_read_differently_is_not_followed(
    host: DeliveryHost, location: str
) -> None:
    to = location.format(origin=host.server.origin, port=host.server.port)
    host.serves(b"", status=302, Location=to)
    host.fails(errors.TransferFailed, "a redirect is not followed")
    assert len(host.server.heads) == 1


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
