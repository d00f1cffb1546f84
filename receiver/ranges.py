"""Conditions and ranges of a request as RFC 9110 reads them, before werkzeug answers them."""

import re
from typing import Any

from flask import Request, Response
from werkzeug.exceptions import PreconditionFailed
from werkzeug.http import is_resource_modified

_SINGLE = re.compile(
    r"bytes=[ \t]*(?:([0-9]{1,40})-([0-9]{1,40})?|-([0-9]{1,40}))[ \t]*", re.IGNORECASE
)
_READ_HERE = ("HTTP_IF_MATCH", "HTTP_IF_RANGE", "HTTP_RANGE")


def understood(request: Request, response: Response, size: int) -> dict[str, Any]:
    """The request's environment with what werkzeug shall act on; raises PreconditionFailed."""
    etag = response.headers["ETag"]
    expected = request.if_match
    if expected and not (expected.star_tag or expected.is_strong(etag.strip('"'))):
        raise PreconditionFailed
    environ = {name: said for name, said in request.environ.items() if name not in _READ_HERE}
    # Whoever has the file already needs no part of it either.
    changed = is_resource_modified(environ, etag, last_modified=response.last_modified)
    # A date or a weak ETag cannot tell that the parts are of one file.
    if changed and request.headers.get("If-Range", etag) == etag:
        environ |= _wanted(request.headers.get("Range", ""), size)
    return environ


def _wanted(asked: str, size: int) -> dict[str, str]:
    """One range, or nothing: what is malformed, in other units or of many parts is ignored."""
    found = _SINGLE.fullmatch(asked)
    if found is None:
        return {}
    start, stop, last = found.groups()
    if last:
        return {"HTTP_RANGE": f"bytes=-{min(int(last), size)}"}
    if stop and int(stop) < int(start):
        return {}
    return {"HTTP_RANGE": f"bytes={start}-{stop or ''}"}
