"""Content codings of HTTP bodies: gzip and deflate (RFC 9110), and aws-chunked of S3.

Requests ask for identity, so that a coding is a mistake of the other side, and often of its header
alone: the uploader of a blob chooses its `Content-Encoding`. So the bytes decide. A coding is
decoded if the body is in it; other tokens (`utf-8`, `none`, none at all) mean nothing.

`aws-chunked` frames an upload to S3. A bucket should take the frames off, and some that imitate S3
keep them as the object.
"""

import re
import zlib
from collections.abc import Iterator
from mmap import mmap
from typing import NamedTuple

CODINGS_MAX = 3  # in one header; more are not decoded
MEMBERS_MAX = 1000  # of a gzip file, which may be several in a row
WINDOW_BYTES = 256 * 1024  # the most that is unpacked at once

Data = bytes | mmap

GZIP = "gzip"
DEFLATE = "deflate"
AWS_CHUNKED = "aws-chunked"
_ALIASES = {"gzip": GZIP, "x-gzip": GZIP, "deflate": DEFLATE, "aws-chunked": AWS_CHUNKED}
_CANNOT_DECODE = frozenset({"br", "zstd", "compress", "x-compress", "dcb", "dcz"})
_STARTS_OF_JSON = (b"{", b"[")  # no coding begins like that
_SEPARATORS = re.compile(r"[\s,;]+")

_GZIP_MAGIC = b"\x1f\x8b\x08"
_GZIP_HEADER_BYTES = 10
_GZIP_TRAILER_BYTES = 8
# Bits of a gzip header's flags.
_HEADER_CHECKSUM = 2
_EXTRA = 4
_NAME = 8
_COMMENT = 16
_ZLIB_HEADER_BYTES = 2
_ZLIB_METHOD = 8
_ZLIB_CHECK_DIVISOR = 31
_RAW = -zlib.MAX_WBITS
_LINE_END = b"\r\n"
_CHUNK_LINE_MAX_BYTES = 256
_CHUNK_LINE = re.compile(rb"([0-9a-fA-F]{1,16})(;[\x20-\x7e]*)?")


class ContentCodings(NamedTuple):
    """The codings that a header names, in the order in which they were applied."""

    decodable: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()  # real codings that cannot be decoded here


class Unpacked(NamedTuple):
    """A piece of an unpacked body; `doubt` is not empty if its checksum or its end is wrong."""

    piece: bytes
    doubt: str = ""


def parse_header(header: str | None) -> ContentCodings:
    """Read `Content-Encoding`; tokens that are no codings are left out."""
    if not header:
        return ContentCodings()
    codings: list[str] = []
    frames: list[str] = []
    unknown: list[str] = []
    for token in _SEPARATORS.split(header.lower()):
        coding = _ALIASES.get(token)
        if coding == AWS_CHUNKED:
            frames.append(coding)
        elif coding is not None:
            codings.append(coding)
        elif token in _CANNOT_DECODE:
            unknown.append(token)
    # Clients name the frames of an upload first or last; they are always around all else.
    codings.extend(frames)
    return ContentCodings(tuple(codings[-CODINGS_MAX:]), tuple(unknown))


def is_in(body: Data, coding: str) -> bool:
    """Whether a body begins as a coding does, so that it can be unpacked."""
    if coding == GZIP:
        return body[: len(_GZIP_MAGIC)] == _GZIP_MAGIC
    if coding == AWS_CHUNKED:
        return _chunk_at(body, 0) is not None
    return _has_zlib_header(body) or _is_raw_deflate(body)


def decode_message(header: str | None, body: bytes, max_bytes: int) -> bytes:
    """Decode a JSON message that is in a coding which its header names; else it stays as it is.

    A wrong checksum is no reason not to read it. What is beyond `max_bytes` is cut off.
    """
    for coding in reversed(parse_header(header).decodable):
        is_json = body[:1] in _STARTS_OF_JSON
        if is_json or not is_in(body, coding):
            continue
        unpacked = bytearray()
        for part in unpack(body, coding):
            unpacked += part.piece
            if len(unpacked) > max_bytes:
                break
        body = bytes(unpacked[:max_bytes])
    return body


def unpack(body: Data, coding: str) -> Iterator[Unpacked]:
    """Unpack a body in pieces of at most WINDOW_BYTES; the last one tells of doubts."""
    if coding == GZIP:
        yield from _unpack_gzip(body)
        return
    if coding == AWS_CHUNKED:
        yield from _unpack_aws_chunked(body)
        return
    start = 0
    if _has_zlib_header(body):
        start = _ZLIB_HEADER_BYTES
    stream = _DeflateStream(body, start)
    for piece in stream.pieces():
        yield Unpacked(piece)
    if stream.doubt:
        yield Unpacked(b"", stream.doubt)


class _DeflateStream:
    """A raw deflate stream inside a body. Unlike zlib's own it gives all bytes before an error."""

    def __init__(self, body: Data, start: int) -> None:
        self._body = body
        self._read_to = start
        self.checksum = 0
        self.size_bytes = 0
        self.end: int | None = None  # where the stream ends in the body
        self.doubt = ""

    def pieces(self) -> Iterator[bytes]:
        inflater = zlib.decompressobj(_RAW)
        packed = b""
        while not inflater.eof:
            if not packed:
                packed = self._body[self._read_to : self._read_to + WINDOW_BYTES]
                self._read_to += len(packed)
            is_at_end = not packed
            try:
                piece = inflater.decompress(packed, WINDOW_BYTES)
            except zlib.error:
                self.doubt = "its compressed data are damaged"
                return
            packed = inflater.unconsumed_tail
            if piece:
                self.checksum = zlib.crc32(piece, self.checksum)
                self.size_bytes += len(piece)
                yield piece
            elif is_at_end and not inflater.eof:
                self.doubt = "its compressed data break off"
                return
        self.end = self._read_to - len(inflater.unused_data)


def _unpack_gzip(body: Data) -> Iterator[Unpacked]:
    """All members of a gzip body (RFC 1952); what follows them is no part of it."""
    start = 0
    for _ in range(MEMBERS_MAX):
        stream = _DeflateStream(body, _end_of_gzip_header(body, start))
        for piece in stream.pieces():
            yield Unpacked(piece)
        if stream.end is None:
            yield Unpacked(b"", stream.doubt)
            return
        trailer = body[stream.end : stream.end + _GZIP_TRAILER_BYTES]
        size = stream.size_bytes % 2**32
        expected = stream.checksum.to_bytes(4, "little") + size.to_bytes(4, "little")
        if trailer != expected:
            yield Unpacked(b"", "the checksum of its compressed data is wrong")
            return
        start = stream.end + _GZIP_TRAILER_BYTES
        if body[start : start + len(_GZIP_MAGIC)] != _GZIP_MAGIC:
            return
    yield Unpacked(b"", f"its compressed data have more than {MEMBERS_MAX} parts")


def _unpack_aws_chunked(body: Data) -> Iterator[Unpacked]:
    """The chunks of an upload to S3; checksums and signatures behind the last one are left out."""
    start = 0
    while True:
        chunk = _chunk_at(body, start)
        if chunk is None:
            yield Unpacked(b"", "the frames of its upload break off")
            return
        if chunk.start == chunk.end:
            return
        for piece_start in range(chunk.start, chunk.end, WINDOW_BYTES):
            piece_end = min(piece_start + WINDOW_BYTES, chunk.end)
            yield Unpacked(body[piece_start:piece_end])
        start = chunk.end + len(_LINE_END)


class _Chunk(NamedTuple):
    """Where the bytes of a chunk begin and end in a body."""

    start: int
    end: int


def _chunk_at(body: Data, start: int) -> _Chunk | None:
    """The chunk that begins at `start`; None if no whole chunk begins there."""
    line_end = body.find(_LINE_END, start, start + _CHUNK_LINE_MAX_BYTES)
    if line_end < 0:
        return None
    line = _CHUNK_LINE.fullmatch(body[start:line_end])
    if line is None:
        return None
    first = line_end + len(_LINE_END)
    end = first + int(line[1], 16)
    is_last = end == first
    if not is_last and body[end : end + len(_LINE_END)] != _LINE_END:
        return None
    return _Chunk(first, end)


def _end_of_gzip_header(body: Data, start: int) -> int:
    flags = int.from_bytes(body[start + 3 : start + 4], "big")
    at = start + _GZIP_HEADER_BYTES
    if flags & _EXTRA:
        at += 2 + int.from_bytes(body[at : at + 2], "little")
    if flags & _NAME:
        at = _end_of_text(body, at)
    if flags & _COMMENT:
        at = _end_of_text(body, at)
    if flags & _HEADER_CHECKSUM:
        at += 2
    return at


def _end_of_text(body: Data, start: int) -> int:
    """Behind the zero byte that ends a text; the end of the body without one."""
    zero = body.find(b"\0", start)
    if zero < 0:
        return len(body)
    return zero + 1


def _has_zlib_header(body: Data) -> bool:
    header = body[:_ZLIB_HEADER_BYTES]
    if len(header) < _ZLIB_HEADER_BYTES or header[0] & 0x0F != _ZLIB_METHOD:
        return False
    return int.from_bytes(header, "big") % _ZLIB_CHECK_DIVISOR == 0


def _is_raw_deflate(body: Data) -> bool:
    """Whether the first window can be unpacked; some servers leave the zlib header out."""
    try:
        return bool(zlib.decompressobj(_RAW).decompress(body[:WINDOW_BYTES], WINDOW_BYTES))
    except zlib.error:
        return False
