"""gunicorn's HTTP parser with bounds: what a client sends takes time in proportion to its length.

gunicorn searches all headers again after each packet, copies all that has arrived of a body for
each KB that it discards, and parses chunks of a byte. Nobody else is served meanwhile.

It also refuses requests whose proxy names the scheme twice and differently.
"""

from collections.abc import Iterable
from typing import Any, Literal

import gevent
from gunicorn.http.body import Body, ChunkedReader
from gunicorn.http.errors import InvalidChunkSize, LimitRequestHeaders, NoMoreData
from gunicorn.http.message import Request
from gunicorn.http.parser import RequestParser

HEAD_MAX_BYTES = 32 * 1024  # request line and headers; trailers
CHUNKS_MAX = 1024  # and one more for each CHUNK_BYTES
CHUNK_BYTES = 64
DISCARDED_BYTES = 64 * 1024  # at once
HEAD_SECONDS = 5.0  # from the first byte of a request to the end of its headers
DISCARD_SECONDS = 5.0  # for the rest of a body that nobody reads
_END = b"\r\n\r\n"

# In which a proxy tells the client's scheme: the first that is there decides.
_SCHEME_HEADERS = ("X-FORWARDED-PROTO", "X-FORWARDED-PROTOCOL", "X-FORWARDED-SSL")
_SCHEMES: dict[str, Literal["https", "http"]] = {
    "https": "https",
    "wss": "https",
    "ssl": "https",
    "on": "https",
    "http": "http",
    "ws": "http",
    "off": "http",
}


def forwarded_scheme(headers: Iterable[tuple[str, str]]) -> Literal["https", "http"] | None:
    """The scheme that a proxy tells; of a list the first, which the client's own proxy wrote.

    Proxies disagree in form only: letters, spaces, several headers, lists. None without a scheme.
    """
    schemes: dict[str, Literal["https", "http"]] = {}
    for name, value in headers:
        if name not in _SCHEME_HEADERS:
            continue
        for item in value.split(","):
            scheme = _SCHEMES.get(item.strip().lower())
            if scheme is not None:
                schemes.setdefault(name, scheme)
    for name in _SCHEME_HEADERS:
        if name in schemes:
            return schemes[name]
    return None


class BoundedChunkedReader(ChunkedReader):
    """Reader of a chunked body that refuses one of many tiny chunks."""

    _chunks = 0
    _bytes = 0

    def parse_chunk_size(self, unreader: Any, data: bytes | None = None) -> tuple[int, Any]:
        size, unparsed = super().parse_chunk_size(unreader, data)
        self._chunks += 1
        self._bytes += size
        if self._chunks > CHUNKS_MAX + self._bytes // CHUNK_BYTES:
            raise InvalidChunkSize(b"too many small chunks")
        return size, unparsed


class BoundedRequest(Request):
    """Request whose head is refused at HEAD_MAX_BYTES, before all of it has arrived."""

    def parse(self, unreader: Any) -> bytes:
        self.max_buffer_headers = HEAD_MAX_BYTES  # of the trailers: the head is complete by then
        first_part = self._first_part(unreader)
        if not first_part:
            raise StopIteration  # the connection has ended between two requests
        if _END in first_part:
            unparsed = self._parse_head(unreader, first_part)
        else:
            with gevent.Timeout(HEAD_SECONDS, NoMoreData(b"the headers come too slowly")):
                unparsed = self._parse_head(unreader, first_part)
        scheme = forwarded_scheme(self.headers)
        if scheme is not None and self._peer_is_trusted_proxy():  # type: ignore[attr-defined]  # its stubs are older
            self.scheme = scheme
        return unparsed

    def _first_part(self, unreader: Any) -> bytes:
        """Wait for the first bytes, for as long as a connection may be idle."""
        receive_first = getattr(getattr(unreader, "sock", None), "receive_first", None)
        if receive_first is None:
            return bytes(unreader.read())
        return bytes(unreader.take_buffered() or receive_first())

    def _parse_head(self, unreader: Any, first_part: bytes) -> bytes:
        head = bytearray()
        part = first_part
        while part:
            searched = max(0, len(head) - len(_END))
            head += part
            end = head.find(_END, searched)
            has_end = end >= 0
            head_bytes = end if has_end else len(head)
            is_over = head_bytes > HEAD_MAX_BYTES
            if is_over and b"\r\n" in head:
                raise LimitRequestHeaders("the headers are too large")
            if is_over or has_end:
                break  # the parser refuses a line that is too long
            part = unreader.read()
        unreader.unread(bytes(head))
        return super().parse(unreader)

    def _peer_trusted_for_forwarded(self) -> tuple[dict[str, str], list[str]]:
        """Let gunicorn judge no header of a proxy: it refuses two that differ."""
        return {}, []

    def set_body_reader(self) -> None:
        super().set_body_reader()
        if self.body and isinstance(self.body.reader, ChunkedReader):
            self.body = Body(BoundedChunkedReader(self, self.unreader))


class BoundedParser(RequestParser):
    """Parser of the requests of one connection."""

    mesg_class = BoundedRequest

    def finish_body(self, deadline: float | None = None, max_bytes: int | None = None) -> Any:
        """Discard the unread part of a body in large pieces. False if that is impossible."""
        body: Any = self.mesg and self.mesg.body
        with gevent.Timeout(DISCARD_SECONDS, NoMoreData(b"the body comes too slowly")):
            while body and not body.failed and body.read(DISCARDED_BYTES):
                pass
        return super().finish_body(deadline, max_bytes)
