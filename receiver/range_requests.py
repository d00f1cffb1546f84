"""Range and conditional requests by RFC 9110, where werkzeug reads them differently."""

import re
from typing import Any

from flask import Request, Response
from werkzeug.exceptions import PreconditionFailed
from werkzeug.http import is_resource_modified

_SINGLE = re.compile(
    r"bytes=[ \t]*(?:([0-9]{1,40})-([0-9]{1,40})?|-([0-9]{1,40}))[ \t]*", re.IGNORECASE
)
_REPLACED = ("HTTP_IF_MATCH", "HTTP_IF_RANGE", "HTTP_RANGE")


def normalized_environ(request: Request, response: Response, size: int) -> dict[str, Any]:
    """The WSGI environment with the conditions for werkzeug. Raises PreconditionFailed."""
    etag = response.headers["ETag"]
    expected = request.if_match
    if expected and not (expected.star_tag or expected.is_strong(etag.strip('"'))):
        raise PreconditionFailed
    environ = {name: value for name, value in request.environ.items() if name not in _REPLACED}
    # A client that has the current file gets 304 instead of a range of it.
    changed = is_resource_modified(environ, etag, last_modified=response.last_modified)
    # A date or a weak ETag does not prove that two ranges are of the same bytes.
    if changed and request.headers.get("If-Range", etag) == etag:
        environ |= _range(request.headers.get("Range", ""), size)
    return environ


def _range(header: str, size: int) -> dict[str, str]:
    """A single byte range; malformed, multiple or other ranges are ignored."""
    match = _SINGLE.fullmatch(header)
    if match is None:
        return {}
    start, stop, last = match.groups()
    if last:
        return {"HTTP_RANGE": f"bytes=-{min(int(last), size)}"}
    if stop and int(stop) < int(start):
        return {}
    return {"HTTP_RANGE": f"bytes={start}-{stop or ''}"}
