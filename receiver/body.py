"""Request bodies: raw, whole, and never larger than they may be."""

from typing import Any

import gevent
from flask import request
from gunicorn.http.errors import ParseException
from werkzeug.exceptions import BadRequest as WerkzeugBadRequest
from werkzeug.sansio.utils import get_content_length
from werkzeug.wsgi import get_input_stream

from jobs.errors import BadRequest, RequestTimeout, TooLarge

# BFL's bodies come in one piece; whoever drips one byte by byte must not hold on for ever.
ARRIVAL_SECONDS = 20.0


def read(max_bytes: int) -> bytes:
    """The raw body of Flask's request, before anything touches `request.form`.

    Raises TooLarge, RequestTimeout, or BadRequest for a body that breaks off or is malformed.
    """
    return received(request.environ, max_bytes)


def received(environ: dict[str, Any], max_bytes: int) -> bytes:
    """The raw body of a WSGI request, byte for byte. Raises the same."""
    length = get_content_length(
        http_content_length=environ.get("CONTENT_LENGTH"),
        http_transfer_encoding=environ.get("HTTP_TRANSFER_ENCODING"),
    )
    if length is not None and length > max_bytes:
        raise TooLarge
    # One byte more than allowed: a chunked body over the limit is cut there without a word.
    body = _whole(environ, length, max_bytes + 1)
    if len(body) > max_bytes:
        raise TooLarge
    if length is not None and len(body) != length:
        raise BadRequest("the body breaks off")
    return body


def _whole(environ: dict[str, Any], length: int | None, max_bytes: int) -> bytes:
    stream = environ["wsgi.input"]
    if length is None:
        stream = get_input_stream(environ, max_content_length=max_bytes)
    try:
        with gevent.Timeout(ARRIVAL_SECONDS, RequestTimeout):
            return bytes(stream.read(-1 if length is None else length))
    except (OSError, ValueError, ParseException, WerkzeugBadRequest):
        raise BadRequest("the body could not be read") from None
