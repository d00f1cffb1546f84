"""Which web pages may read media by script; nothing but media is ever open to them."""

from flask import Response, request

from receiver.context import services

PREFLIGHT_SECONDS = "86400"
_EXPOSED = "Accept-Ranges, Content-Length, Content-Range, ETag"
_ASKED = "Range, If-Range, If-None-Match"


def allow(response: Response) -> Response:
    """Answer a browser that asks on behalf of a page, and its preflight."""
    allowed = services().settings.cors_origins
    if not allowed:
        return response
    origin = "*" if "*" in allowed else request.headers.get("Origin", "")
    if origin != "*":
        response.vary.add("Origin")
    if origin in allowed:
        response.headers["Access-Control-Allow-Origin"] = origin
        response.headers["Access-Control-Expose-Headers"] = _EXPOSED
        if request.method == "OPTIONS":
            response.headers["Access-Control-Allow-Methods"] = "GET, HEAD"
            response.headers["Access-Control-Allow-Headers"] = _ASKED
            response.headers["Access-Control-Max-Age"] = PREFLIGHT_SECONDS
    return response
