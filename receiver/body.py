"""Request bodies: raw, whole, and never larger than they may be."""

from flask import request
from werkzeug.exceptions import BadRequest as WerkzeugBadRequest

from jobs.errors import BadRequest, TooLarge


def read(max_bytes: int) -> bytes:
    """The raw body. Raises TooLarge, or BadRequest for a body that breaks off or is malformed."""
    length = request.content_length
    if length is not None and length > max_bytes:
        raise TooLarge
    # One byte more than allowed: a chunked body over the limit is cut there without a word.
    request.max_content_length = max_bytes + 1
    try:
        # Before anything touches request.form, which would leave the body empty.
        body = request.get_data(cache=False, parse_form_data=False)
    except (OSError, ValueError, WerkzeugBadRequest):
        raise BadRequest("the body could not be read") from None
    if len(body) > max_bytes:
        raise TooLarge
    if length is not None and len(body) != length:
        raise BadRequest("the body breaks off")
    return body
