"""Download from an allowed host into a staged file; verify framing, MD5, type and completeness.

Framing (a met `Content-Length`, a finished chunk list) says whether the transfer was whole. All
else (`Content-MD5`, `Content-Encoding`, the last bytes of the format) is what an uploader said
about the file. If that contradicts the bytes of a whole transfer, the download has a doubt: its
caller fetches the file once more, and the same bytes twice are the file.
"""

import binascii
import hashlib
import io
import re
import shutil
import time
from base64 import b64decode
from collections.abc import Callable, Iterator
from functools import cache
from mmap import ACCESS_READ, mmap
from pathlib import Path
from typing import Any, NamedTuple

import requests
from urllib3.exceptions import HTTPError

from jobs.domain.bfl_report import Role
from jobs.domain.errors import MediaTooLarge, NotMedia, TransferFailed, UrlExpired, UrlRefused
from jobs.net import content_coding, http_client
from jobs.net.urls import Origin, ParsedUrl
from jobs.storage.error_translation import translate_errors
from jobs.storage.layout import HEAD_BYTES, OPAQUE, sniffed_type
from worker.formats import sniff

CHUNK_BYTES = 256 * 1024  # the most that is read at once; TLS brings 16 KiB
WRITE_BYTES = 2**20  # the most that is hashed and written at once
PACE_WINDOW_SECONDS = 20.0
PACE_BYTES_PER_SECOND = 2048  # below this a new connection is likely to be faster
LENGTH_MAX_DIGITS = 19
DEAD_STATUSES = frozenset({401, 403, 404, 410})  # BFL's docs: treat all as expired
MD5_BYTES = 16
_MD5_IN_HEX = 2 * MD5_BYTES
_CONTENT_RANGE = re.compile(r"bytes 0-([0-9]{1,18})/([0-9]{1,18})", re.ASCII)


class Download(NamedTuple):
    """A file: its type by magic bytes, its size and SHA-256, and what speaks against its bytes.

    The transfer of a file with a doubt was whole nevertheless.
    """

    content_type: str
    bytes: int
    sha256: str
    doubt: str = ""


class Limits(NamedTuple):
    """The most that one download may take."""

    seconds: float
    bytes: int


@cache
def session(sandboxes: tuple[Origin, ...]) -> requests.Session:
    """One session for the process, so that downloads reuse connections."""
    return http_client.create_session(*sandboxes)


def download(  # noqa: PLR0913 - the limits and hooks of a transfer
    session: requests.Session,
    address: ParsedUrl,
    path: Path,
    limits: Limits,
    role: Role = Role.SAMPLE,
    *,
    allow: Callable[[str], ParsedUrl],
    progress: Callable[[], None] = lambda: None,
) -> Download:
    """Download a URL into a new file and verify it.

    `allow` checks each redirect. A refused redirect, or a name that resolves to an address that
    is not public, is a TransferFailed.
    Raises UrlExpired, TransferFailed (try again), MediaRefused (final), StorageError.
    """
    try:
        with http_client.get_following_redirects(
            session, address, seconds=limits.seconds, allow=allow
        ) as response:
            if response.status_code in DEAD_STATUSES:
                raise UrlExpired(f"the delivery host answered {response.status_code}")
            if not _is_whole_file(response):
                raise TransferFailed(f"the delivery host answered {response.status_code}")
            body = _Body(response, role, limits.bytes)
            with translate_errors():
                file = _HashedFile(path)
                # In large pieces: with each one, other threads get Python's lock.
                with io.BufferedWriter(file, WRITE_BYTES) as buffered:
                    for chunk in body.chunks():
                        buffered.write(chunk)
                        progress()
    except UrlRefused as error:
        raise TransferFailed(str(error)) from None
    with translate_errors():
        return body.verify(file, progress)


class _HashedFile(io.FileIO):
    """A file whose bytes are hashed when they are written."""

    def __init__(self, path: Path) -> None:
        super().__init__(path, "wb")
        self.path = path
        self.size_bytes = 0
        self.md5 = hashlib.md5(usedforsecurity=False)
        self.sha256 = hashlib.sha256()

    def write(self, data: Any, /) -> int:
        count = super().write(data)
        self.size_bytes += count
        self.md5.update(data[:count])
        self.sha256.update(data[:count])
        return count


class _Body:
    """The bytes of a response, counted and checked while they are read."""

    def __init__(self, response: requests.Response, role: Role, max_bytes: int) -> None:
        self._raw = response.raw
        self._role = role
        self._max = max_bytes
        self._length = _content_length(response)
        self._codings = content_coding.parse_header(response.headers.get("Content-Encoding"))
        self._expected_md5 = _md5_of_header(response.headers.get("Content-MD5"))
        self._received = 0
        self._head = b""
        # More bytes on the connection than the length says: the length may have cut the file.
        self._has_surplus = False
        if not self._raw.chunked and self._length is not None and self._length > max_bytes:
            raise MediaTooLarge

    def chunks(self) -> Iterator[bytes]:
        window_began_at = time.monotonic()
        received_before_window = 0
        is_head_checked = False
        while True:
            chunk = self._read()
            if not chunk:
                return
            if not is_head_checked:
                self._head += chunk[:HEAD_BYTES]
                if len(self._head) >= HEAD_BYTES:
                    self._require_media_or_coding(self._head)
                    is_head_checked = True
            self._received += len(chunk)
            if self._received > self._max:
                raise MediaTooLarge
            elapsed = time.monotonic() - window_began_at
            if elapsed >= PACE_WINDOW_SECONDS:
                received_in_window = self._received - received_before_window
                if received_in_window < PACE_BYTES_PER_SECOND * elapsed:
                    raise TransferFailed("the delivery host sends too slowly")
                window_began_at = time.monotonic()
                received_before_window = self._received
            yield chunk

    def _read(self) -> bytes:
        count = CHUNK_BYTES
        try:
            if self._length is not None and not self._raw.chunked:
                missing = self._length - self._received
                if missing == 1:
                    self._look_for_surplus()
                # The last byte comes alone: behind it the surplus shows.
                count = max(min(CHUNK_BYTES, missing - 1), 1)
            chunk: bytes = self._raw.read1(count, decode_content=False)
        except (HTTPError, OSError) as error:
            # Caught here, so that an OSError elsewhere can only come from the disk.
            raise TransferFailed(f"the connection broke: {type(error).__name__}") from None
        return chunk

    def _look_for_surplus(self) -> None:
        """Look into the connection's buffer before http.client drops it with the last byte."""
        response: Any = self._raw._fp  # noqa: SLF001 - neither library tells of a surplus
        self._has_surplus = len(response.fp.peek(1)) > 1

    def _require_media_or_coding(self, head: bytes) -> None:
        """Refuse a wrong body at its first bytes. Raises NotMedia, TransferFailed."""
        if self._is_plain(head):
            return
        if content_coding.is_in(head, content_coding.GZIP) or self._codings.decodable:
            return
        if self._codings.unknown:
            names = ", ".join(self._codings.unknown)
            raise TransferFailed(f"the body is encoded in {names} although that was not asked for")
        raise NotMedia

    def _is_plain(self, head: bytes) -> bool:
        """Whether the bytes need no decoding: they are media, or may be anything."""
        if sniffed_type(head) is not None:
            return True
        return self._role is not Role.SAMPLE and not self._codings.decodable

    def verify(self, file: _HashedFile, progress: Callable[[], None]) -> Download:
        """Check framing, coding, MD5 and format. Raises TransferFailed, MediaRefused."""
        is_chunked = bool(self._raw.chunked)
        if not is_chunked and self._length is not None and self._received != self._length:
            raise TransferFailed(f"{self._received} of {self._length} bytes arrived")
        if self._length is None and self._received < sniff.SHORTEST_BYTES:
            raise TransferFailed("the body breaks off in its first bytes")
        doubts = list[str]()
        if is_chunked and self._length is not None and self._received != self._length:
            doubts.append(f"{self._received} bytes arrived, and Content-Length says {self._length}")
        received_md5 = file.md5.digest()
        file = self._decoded(file, doubts, progress)
        if doubts and self._role is Role.SAMPLE and sniffed_type(_head_of(file.path)) is None:
            raise TransferFailed("; ".join(doubts))
        content_type = _media_type(_head_of(file.path), self._role)
        has_proof = self._expected_md5 in (received_md5, file.md5.digest())
        if self._expected_md5 is not None and not has_proof:
            doubts.append("the bytes do not match their Content-MD5")
        is_framed = is_chunked or (self._length is not None and not self._has_surplus)
        is_whole = has_proof or is_framed
        if content_type != OPAQUE and not has_proof:
            is_complete = sniff.is_complete(file.path, content_type)
            is_whole = is_whole or is_complete
            if not is_complete:
                doubts.append("the file breaks off, or other bytes follow it")
        if content_type == OPAQUE and self._codings.unknown:
            doubts.append(f"it may be encoded in {', '.join(self._codings.unknown)}")
        doubt = "; ".join(doubts)
        if not is_whole or file.size_bytes == 0:
            raise TransferFailed(doubt or "it cannot be proven that the file is complete")
        return Download(content_type, file.size_bytes, file.sha256.hexdigest(), doubt)

    def _decoded(
        self, file: _HashedFile, doubts: list[str], progress: Callable[[], None]
    ) -> _HashedFile:
        """Decode each coding that the body is in. Raises MediaTooLarge."""
        codings = list(self._codings.decodable)
        if not codings and self._role is Role.SAMPLE:
            codings = [content_coding.GZIP]  # it is no medium, so that a header is not needed
        for coding in reversed(codings):
            head = _head_of(file.path)
            if sniffed_type(head) is None and _is_coded(file.path, coding):
                file = self._unpacked(file.path, coding, doubts, progress)
        return file

    def _unpacked(
        self, path: Path, coding: str, doubts: list[str], progress: Callable[[], None]
    ) -> _HashedFile:
        """Unpack a staged file in its place, which keeps its lock."""
        packed = path.with_name(f"{path.name}.packed")
        try:
            shutil.copyfile(path, packed)
            file = _HashedFile(path)
            with (
                io.BufferedWriter(file, WRITE_BYTES) as buffered,
                packed.open("rb") as source,
                mmap(source.fileno(), 0, access=ACCESS_READ) as mapped,
            ):
                unpacked_bytes = 0
                for part in content_coding.unpack(mapped, coding):
                    unpacked_bytes += len(part.piece)
                    if unpacked_bytes > self._max:
                        raise MediaTooLarge
                    if part.doubt:
                        doubts.append(part.doubt)
                    buffered.write(part.piece)
                    progress()
        finally:
            packed.unlink(missing_ok=True)
        return file


def _is_whole_file(response: requests.Response) -> bool:
    """Whether a status announces the file.

    A proxy that changed a header says 203. A cache may answer with a range nobody asked for; it
    will do if it is all there is.
    """
    if response.status_code == requests.codes.partial_content:
        content_range = _CONTENT_RANGE.fullmatch(response.headers.get("Content-Range") or "")
        return content_range is not None and int(content_range[1]) + 1 == int(content_range[2])
    return response.status_code in (requests.codes.ok, requests.codes.non_authoritative_info)


def _content_length(response: requests.Response) -> int | None:
    header = response.headers.get("Content-Length") or ""
    is_number = header.isascii() and header.isdigit() and len(header) < LENGTH_MAX_DIGITS
    if not is_number:
        return None
    return int(header)


def _md5_of_header(header: str | None) -> bytes | None:
    """The MD5 of a header, in Base64 (RFC 1864) or in hex; None if the header holds no MD5."""
    text = (header or "").strip().strip('"')
    try:
        if len(text) == _MD5_IN_HEX:
            digest = bytes.fromhex(text)
        else:
            digest = b64decode(text, validate=True)
    except (ValueError, binascii.Error):
        return None
    if len(digest) != MD5_BYTES:
        return None
    return digest


def _head_of(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(HEAD_BYTES)


def _is_coded(path: Path, coding: str) -> bool:
    if path.stat().st_size == 0:
        return False
    with path.open("rb") as file, mmap(file.fileno(), 0, access=ACCESS_READ) as mapped:
        return content_coding.is_in(mapped, coding)


def _media_type(head: bytes, role: Role) -> str:
    """Media type by magic bytes; opaque for a draft bundle. Raises NotMedia for a sample."""
    if role is Role.DRAFT_CACHE:
        return OPAQUE
    content_type = sniffed_type(head) or (OPAQUE if role is Role.OTHER else None)
    if content_type is None:
        raise NotMedia
    return content_type
