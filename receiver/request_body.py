"""Raw request bodies, complete and bounded in size and time."""

from collections.abc import Mapping
from typing import Any

import gevent
from flask import request
from gunicorn.http.errors import ParseException
from werkzeug.exceptions import BadRequest as WerkzeugBadRequest
from werkzeug.sansio.utils import get_content_length
from werkzeug.wsgi import get_input_stream

from jobs.errors import BadRequest, BodyTooLarge, RequestTimeout

ARRIVAL_SECONDS = 20.0  # a body that drips in must not hold its connection for ever


def read(max_bytes: int) -> bytes:
    """The raw body of Flask's request, before anything touches `request.form`.

    Raises TooLarge, RequestTimeout, or BadRequest for a body that breaks off or is malformed.
    """
    return received(request.environ, max_bytes)


def received(environ: Mapping[str, Any], max_bytes: int) -> bytes:
    """The raw body of a WSGI request, byte for byte. Raises the same."""
    length = _length(environ)
    if length is not None and length > max_bytes:
        raise BodyTooLarge
    # One byte more than allowed: a chunked body over the limit is cut there without a word.
    body = _whole(environ, length, max_bytes + 1)
    if len(body) > max_bytes:
        raise BodyTooLarge
    if length is not None and len(body) != length:
        raise BadRequest("the body breaks off")
    return body


def is_too_large(environ: Mapping[str, Any], max_bytes: int) -> bool:
    """Whether a request announces more; a chunked one announces nothing."""
    length = _length(environ)
    return length is not None and length > max_bytes


def is_at_most(environ: Mapping[str, Any], max_bytes: int) -> bool:
    """Whether a request announces no more."""
    length = _length(environ)
    return length is not None and length <= max_bytes


def _length(environ: Mapping[str, Any]) -> int | None:
    return get_content_length(
        http_content_length=environ.get("CONTENT_LENGTH"),
        http_transfer_encoding=environ.get("HTTP_TRANSFER_ENCODING"),
    )


def _whole(environ: Mapping[str, Any], length: int | None, max_bytes: int) -> bytes:
    stream = environ["wsgi.input"]
    if length is None:
        stream = get_input_stream(dict(environ), max_content_length=max_bytes)
    try:
        with gevent.Timeout(ARRIVAL_SECONDS, RequestTimeout):
            return bytes(stream.read(-1 if length is None else length))
    except (OSError, ValueError, ParseException, WerkzeugBadRequest):
        raise BadRequest("the body could not be read") from None
