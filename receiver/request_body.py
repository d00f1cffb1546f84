"""Read raw request bodies: complete, and bounded in size and time."""

from collections.abc import Mapping
from typing import Any

import gevent
from flask import request
from gunicorn.http.errors import ParseException
from werkzeug.exceptions import BadRequest as WerkzeugBadRequest
from werkzeug.sansio.utils import get_content_length
from werkzeug.wsgi import get_input_stream

from jobs.errors import BadRequest, BodyTooLarge, RequestTimeout

ARRIVAL_SECONDS = 20.0  # a slow body must not hold its connection for ever


def read(max_bytes: int) -> bytes:
    """The raw body of Flask's request, before anything touches `request.form`.

    Raises BodyTooLarge, RequestTimeout, or BadRequest for a body that is incomplete or malformed.
    """
    return read_environ(request.environ, max_bytes)


def read_environ(environ: Mapping[str, Any], max_bytes: int) -> bytes:
    """The raw body of a WSGI request. Raises the same errors as `read`."""
    length = declared_length(environ)
    if length is not None and length > max_bytes:
        raise BodyTooLarge
    # One byte more than allowed: werkzeug cuts a chunked body at the limit without an error.
    body = _read_stream(environ, length, max_bytes + 1)
    if len(body) > max_bytes:
        raise BodyTooLarge
    if length is not None and len(body) != length:
        raise BadRequest("the body is incomplete")
    return body


def declared_length(environ: Mapping[str, Any]) -> int | None:
    """Content-Length; a chunked request has none."""
    return get_content_length(
        http_content_length=environ.get("CONTENT_LENGTH"),
        http_transfer_encoding=environ.get("HTTP_TRANSFER_ENCODING"),
    )


def _read_stream(environ: Mapping[str, Any], length: int | None, max_bytes: int) -> bytes:
    stream = environ["wsgi.input"]
    if length is None:
        stream = get_input_stream(dict(environ), max_content_length=max_bytes)
    try:
        with gevent.Timeout(ARRIVAL_SECONDS, RequestTimeout):
            return bytes(stream.read(-1 if length is None else length))
    except (OSError, ValueError, ParseException, WerkzeugBadRequest):
        raise BadRequest("the body could not be read") from None
