"""A stored object as a file that is only read as far as somebody asks for it."""

import errno
import io
import logging
from collections.abc import Iterator

from jobs.errors import StorageError
from jobs.storage.base import MediaStore
from receiver.blocking_calls import aside

log = logging.getLogger(__name__)


class Window(io.RawIOBase):
    """Seekable, so that a range costs what it is long; a few hundred KB of it are in memory."""

    def __init__(self, media: MediaStore, key: str, size: int) -> None:
        super().__init__()
        self._media, self._key, self._size = media, key, size
        self._stop = size
        self._at = 0
        self._chunks: Iterator[bytes] | None = None

    def end_at(self, stop: int) -> None:
        """Nothing behind it is wanted: the bucket need not begin to send it."""
        self._stop = stop

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence]
        self._at = base + offset
        self._chunks = None
        return self._at

    def read(self, _size: int = -1) -> bytes:
        """The next piece, of the size it comes in; b"" at the end."""
        chunk = aside(self._next)
        self._at += len(chunk)
        return chunk

    def _next(self) -> bytes:
        if self._at >= self._stop:
            return b""
        try:
            if self._chunks is None:
                self._chunks = self._media.read(self._key, self._at, self._stop)
            return next(self._chunks, b"")
        except StorageError as error:
            log.warning("storage: %s, in the middle of a download", error)
            # The one error that the server takes for the end of the connection: it would log any
            # other together with the path, which is the link.
            raise ConnectionResetError(errno.ECONNRESET, "the storage broke off") from None
