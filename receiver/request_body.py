"""Read raw request bodies: complete, and bounded in size and time."""

import time
from collections.abc import Iterator, Mapping
from typing import IO, Any

import gevent
from gunicorn.http.errors import ParseException
from werkzeug.exceptions import BadRequest as WerkzeugBadRequest
from werkzeug.sansio.utils import get_content_length
from werkzeug.wsgi import get_input_stream

from jobs.domain.errors import BadRequest, BodyTooLarge, RequestTimeout

ARRIVAL_SECONDS = 20.0  # a slow body must not hold its connection for ever
BYTES_PER_SECOND_MIN = 250_000  # a long body may take longer, at this rate
PIECE_BYTES = 64 * 1024


def read(environ: Mapping[str, Any], max_bytes: int) -> bytes:
    """The raw body of a WSGI request, before anything touches Flask's `request.form`.

    Raises BodyTooLarge, RequestTimeout, or BadRequest for a body that is incomplete or malformed.
    """
    return b"".join(read_pieces(environ, max_bytes))


def read_pieces(
    environ: Mapping[str, Any], max_bytes: int, refusal: BodyTooLarge | None = None
) -> Iterator[bytes]:
    """The raw body, piece by piece. The time for its arrival grows with its length.

    Raises `refusal` at once if the declared length is too long. The iterator raises it too, and
    the other errors of `read`.
    """
    if refusal is None:
        refusal = too_large(max_bytes)
    length = declared_length(environ)
    if length is not None and length > max_bytes:
        raise refusal
    stream: IO[bytes] = environ["wsgi.input"]
    if length is None:
        # One byte more than allowed: werkzeug cuts a chunked body without an error.
        stream = get_input_stream(dict(environ), max_content_length=max_bytes + 1)
    return _read_pieces(stream, length, max_bytes, refusal)


def _read_pieces(
    stream: IO[bytes], length: int | None, max_bytes: int, refusal: BodyTooLarge
) -> Iterator[bytes]:
    arrived_bytes = 0
    waited_seconds = 0.0
    while length is None or arrived_bytes < length:
        seconds_max = ARRIVAL_SECONDS + (length or arrived_bytes) / BYTES_PER_SECOND_MIN
        bytes_left = (length or max_bytes + 1) - arrived_bytes
        began_at = time.monotonic()
        try:
            with gevent.Timeout(max(seconds_max - waited_seconds, 0.0), RequestTimeout):
                piece = bytes(stream.read(min(PIECE_BYTES, bytes_left)))
        except (OSError, ValueError, ParseException, WerkzeugBadRequest):
            raise BadRequest("The body could not be read.") from None
        waited_seconds += time.monotonic() - began_at
        arrived_bytes += len(piece)
        if arrived_bytes > max_bytes:
            raise refusal
        if not piece:
            break
        yield piece
    if length is not None and arrived_bytes != length:
        raise BadRequest("The body is incomplete.")


def too_large(max_bytes: int) -> BodyTooLarge:
    return BodyTooLarge(f"This body may have {max_bytes:,} bytes at most.")


def declared_length(environ: Mapping[str, Any]) -> int | None:
    """Content-Length; a chunked request has none."""
    return get_content_length(
        http_content_length=environ.get("CONTENT_LENGTH"),
        http_transfer_encoding=environ.get("HTTP_TRANSFER_ENCODING"),
    )
