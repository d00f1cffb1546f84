"""Request bodies: raw, whole, and never larger than they may be."""

import gevent
from flask import request
from gunicorn.http.errors import ParseException
from werkzeug.exceptions import BadRequest as WerkzeugBadRequest

from jobs.errors import BadRequest, RequestTimeout, TooLarge

# BFL's bodies come in one piece; whoever drips one byte by byte must not hold on for ever.
ARRIVAL_SECONDS = 20.0


def read(max_bytes: int) -> bytes:
    """The raw body, byte for byte.

    Raises TooLarge, RequestTimeout, or BadRequest for a body that breaks off or is malformed.
    """
    length = request.content_length
    if length is not None and length > max_bytes:
        raise TooLarge
    # One byte more than allowed: a chunked body over the limit is cut there without a word.
    request.max_content_length = max_bytes + 1
    body = _received()
    if len(body) > max_bytes:
        raise TooLarge
    if length is not None and len(body) != length:
        raise BadRequest("the body breaks off")
    return body


def _received() -> bytes:
    try:
        with gevent.Timeout(ARRIVAL_SECONDS, RequestTimeout):
            # Before anything touches request.form, which would leave the body empty.
            return request.get_data(cache=False, parse_form_data=False)
    except (OSError, ValueError, ParseException, WerkzeugBadRequest):
        raise BadRequest("the body could not be read") from None
