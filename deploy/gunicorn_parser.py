"""gunicorn's HTTP parser with bounds: what a client sends takes time in proportion to its length.

gunicorn searches all headers again after each packet, copies all that has arrived of a body for
each KB that it discards, and parses chunks of a byte. Nobody else is served meanwhile.
"""

from typing import Any

from gunicorn.http.body import Body, ChunkedReader
from gunicorn.http.errors import InvalidChunkSize, LimitRequestHeaders
from gunicorn.http.message import Request
from gunicorn.http.parser import RequestParser

HEAD_MAX_BYTES = 32 * 1024  # request line and headers; trailers
CHUNKS_MAX = 1024  # and one more for each CHUNK_BYTES
CHUNK_BYTES = 64
DISCARDED_BYTES = 64 * 1024  # at once
_END = b"\r\n\r\n"


class BoundedChunkedReader(ChunkedReader):
    """Reader of a chunked body that refuses one of many tiny chunks."""

    _chunks = _bytes = 0

    def parse_chunk_size(self, unreader: Any, data: bytes | None = None) -> tuple[int, Any]:
        size, rest = super().parse_chunk_size(unreader, data)
        self._chunks, self._bytes = self._chunks + 1, self._bytes + size
        if self._chunks > CHUNKS_MAX + self._bytes // CHUNK_BYTES:
            raise InvalidChunkSize(b"too many small chunks")
        return size, rest


class BoundedRequest(Request):
    """Request whose head is refused at HEAD_MAX_BYTES, before all of it has arrived."""

    def parse(self, unreader: Any) -> bytes:
        self.max_buffer_headers = HEAD_MAX_BYTES  # of the trailers: the head is complete by then
        head = bytearray()
        while data := unreader.read():
            searched = max(0, len(head) - len(_END))
            head += data
            end = head.find(_END, searched)
            is_over = (end if end >= 0 else len(head)) > HEAD_MAX_BYTES
            if is_over and b"\r\n" in head:
                raise LimitRequestHeaders("the headers are too large")
            if is_over or end >= 0:
                break  # the parser refuses a line that is too long
        unreader.unread(bytes(head))
        return super().parse(unreader)

    def set_body_reader(self) -> None:
        super().set_body_reader()
        if self.body and isinstance(self.body.reader, ChunkedReader):
            self.body = Body(BoundedChunkedReader(self, self.unreader))


class BoundedParser(RequestParser):
    """Parser of the requests of one connection."""

    mesg_class = BoundedRequest

    def finish_body(self, deadline: float | None = None, max_bytes: int | None = None) -> Any:
        """Discard the rest of a body in large pieces. False if it cannot be."""
        body: Any = self.mesg and self.mesg.body
        while body and not body.failed and body.read(DISCARDED_BYTES):
            pass
        return super().finish_body(deadline, max_bytes)
