"""Conditional and range requests by RFC 9110, which werkzeug reads differently."""

import re

from flask import Request, Response
from werkzeug.datastructures import ContentRange
from werkzeug.exceptions import PreconditionFailed, RequestedRangeNotSatisfiable
from werkzeug.sansio.http import is_resource_modified

_SINGLE = re.compile(
    r"bytes=[ \t]*(?:([0-9]{1,40})-([0-9]{1,40})?|-([0-9]{1,40}))[ \t]*", re.IGNORECASE
)


def prepare(response: Response, request: Request, size: int) -> tuple[int, int]:
    """Prepare a 200, 206 or 304; return its first byte and its end. Raises the 412 and 416."""
    etag = response.headers["ETag"]
    expected = request.if_match
    if expected and not (expected.star_tag or expected.is_strong(etag.strip('"'))):
        raise PreconditionFailed
    response.accept_ranges = "bytes"
    span = _span(request.headers.get("Range", ""), size)
    if not is_resource_modified(
        http_if_none_match=request.headers.get("If-None-Match"),
        http_if_modified_since=request.headers.get("If-Modified-Since"),
        etag=etag,
        last_modified=response.last_modified,
    ):  # a client that has the current file gets no range of it
        response.status_code = 304
    # A date or a weak ETag does not prove that two ranges are of the same bytes.
    elif span and request.headers.get("If-Range", etag) == etag:
        start, end = span
        if start >= end:
            raise RequestedRangeNotSatisfiable(size)
        response.status_code = 206
        response.content_range = ContentRange("bytes", start, end, size)
        response.content_length = end - start
        return span
    response.content_length = size
    return 0, size


def _span(header: str, size: int) -> tuple[int, int] | None:
    """The first byte and the end of a single byte range; all other ranges are ignored (None)."""
    match = _SINGLE.fullmatch(header)
    if match is None:
        return None
    start, last, suffix_length = match.groups()
    if suffix_length:
        return max(size - int(suffix_length), 0), size
    if last and int(last) < int(start):
        return None
    end = size
    if last:
        end = min(int(last) + 1, size)
    return int(start), end
