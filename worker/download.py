"""Download from an allowed host into a staged file; verify length, MD5, type and completeness."""

import base64
import hashlib
import io
import time
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import requests
from urllib3.exceptions import HTTPError

from jobs.domain.bfl_report import Role
from jobs.domain.errors import MediaTooLarge, NotMedia, TransferFailed, UrlExpired, UrlRefused
from jobs.net import http_client
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


class Download(NamedTuple):
    """A verified file: its type by magic bytes, its size and SHA-256."""

    content_type: str
    bytes: int
    sha256: str


class Limits(NamedTuple):
    """The most that one download may take."""

    seconds: float
    bytes: int


@cache
def session(sandbox: Origin | None) -> requests.Session:
    """One session for the process, so that downloads reuse connections."""
    return http_client.create_session(sandbox)


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
            if response.status_code != requests.codes.ok:
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
    return body.verify(file)


class _HashedFile(io.FileIO):
    """A file whose bytes are hashed when they are written."""

    def __init__(self, path: Path) -> None:
        super().__init__(path, "wb")
        self.path = path
        self.md5 = hashlib.md5(usedforsecurity=False)
        self.sha256 = hashlib.sha256()

    def write(self, data: Any, /) -> int:
        count = super().write(data)
        self.md5.update(data[:count])
        self.sha256.update(data[:count])
        return count


class _Body:
    """The bytes of a response, counted and checked while they are read."""

    def __init__(self, response: requests.Response, role: Role, max_bytes: int) -> None:
        self._raw = response.raw
        self._role = role
        self._max = max_bytes
        header = response.headers.get("Content-Length") or ""
        is_number = header.isascii() and header.isdigit() and len(header) < LENGTH_MAX_DIGITS
        self._length = int(header) if is_number else None
        self._expected_md5 = response.headers.get("Content-MD5")
        self._received = 0
        self._head = b""
        self._kind = ""
        if response.headers.get("Content-Encoding", "identity").lower() != "identity":
            raise TransferFailed("the body is encoded although that was not asked for")
        if self._length is not None and self._length > max_bytes:
            raise MediaTooLarge

    def chunks(self) -> Iterator[bytes]:
        since, count = time.monotonic(), 0  # of a window in which the rate is measured
        while True:
            try:
                chunk: bytes = self._raw.read1(CHUNK_BYTES, decode_content=False)
            except (HTTPError, OSError) as error:
                # Caught here, so that an OSError elsewhere can only come from the disk.
                raise TransferFailed(f"the connection broke: {type(error).__name__}") from None
            if not chunk:
                return
            if not self._kind:
                self._head += chunk[:HEAD_BYTES]
                if len(self._head) >= HEAD_BYTES:
                    self._kind = _media_type(self._head, self._role)
            self._received += len(chunk)
            if self._received > self._max:
                raise MediaTooLarge
            elapsed = time.monotonic() - since
            if elapsed >= PACE_WINDOW_SECONDS:
                if self._received - count < PACE_BYTES_PER_SECOND * elapsed:
                    raise TransferFailed("the delivery host sends too slowly")
                since, count = time.monotonic(), self._received
            yield chunk

    def verify(self, file: "_HashedFile") -> Download:
        """Check length, then MD5, or else the format. Raises TransferFailed, NotMedia."""
        if self._length is not None and self._received != self._length:
            raise TransferFailed(f"{self._received} of {self._length} bytes arrived")
        if not self._kind and self._length is None:  # no media file is this short
            raise TransferFailed("the body breaks off in its first bytes")
        kind = self._kind or _media_type(self._head, self._role)
        # Without a known format only HTTP framing or an MD5 proves that the body is complete.
        is_framed = self._length is not None or self._raw.chunked or self._expected_md5
        if kind == OPAQUE and (self._received == 0 or not is_framed):
            raise TransferFailed("it cannot be proven that the file is complete")
        if self._expected_md5 is not None:
            digest = base64.b64encode(file.md5.digest()).decode()
            if digest != self._expected_md5.strip():
                raise TransferFailed("the bytes do not match their Content-MD5")
        elif kind != OPAQUE and not sniff.is_complete(file.path, kind):
            raise TransferFailed("the file breaks off")
        return Download(kind, self._received, file.sha256.hexdigest())


def _media_type(head: bytes, role: Role) -> str:
    """Media type by magic bytes; opaque for a draft bundle. Raises NotMedia for a sample."""
    if role is Role.DRAFT_CACHE:
        return OPAQUE
    known = sniffed_type(head) or (OPAQUE if role is Role.OTHER else None)
    if known is None:
        raise NotMedia
    return known
