"""File object over a stored object: downloads from the bucket as it is read."""

import errno
import io
import logging
from collections.abc import Iterator

from jobs.errors import StorageError
from jobs.storage.base import MediaStorage
from receiver.thread_pool import run_in_thread

log = logging.getLogger(__name__)


class ObjectReader(io.RawIOBase):
    """Seekable, so that a range request downloads its range only; holds one chunk in memory."""

    def __init__(self, media: MediaStorage, key: str, size: int) -> None:
        super().__init__()
        self._media, self._key, self._size = media, key, size
        self._stop = size
        self._position = 0
        self._chunks: Iterator[bytes] | None = None

    def limit(self, stop: int) -> None:
        """Read no byte from this offset on: the bucket does not begin to send it."""
        self._stop = stop

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._size}[whence]
        self._position = base + offset
        self._chunks = None
        return self._position

    def read(self, _size: int = -1) -> bytes:
        """The next chunk, in the size that storage yields; b"" at the end."""
        chunk = run_in_thread(self._next)
        self._position += len(chunk)
        return chunk

    def _next(self) -> bytes:
        if self._position >= self._stop:
            return b""
        try:
            if self._chunks is None:
                self._chunks = self._media.read(self._key, self._position, self._stop)
            return next(self._chunks, b"")
        except StorageError as error:
            log.warning("storage: %s, during a download", error)
            # gunicorn treats this error as a closed connection. It would log any other with the
            # path, which is the signed link.
            raise ConnectionResetError(errno.ECONNRESET, "storage failed") from None
