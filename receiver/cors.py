"""CORS headers of media links (`CORS_ORIGINS`); no other path ever sends them."""

from flask import Response, request

from receiver.context import services

PREFLIGHT_SECONDS = "86400"
_EXPOSED_HEADERS = "Accept-Ranges, Content-Length, Content-Range, ETag"
_REQUEST_HEADERS = "Range, If-Range, If-None-Match"


def add_headers(response: Response) -> Response:
    """Add the CORS headers for the request's origin, and answer its preflight."""
    allowed = services().settings.cors_origins
    if not allowed:
        return response
    origin = "*" if "*" in allowed else request.headers.get("Origin", "")
    if origin != "*":
        response.vary.add("Origin")
    if origin in allowed:
        response.headers["Access-Control-Allow-Origin"] = origin
        response.headers["Access-Control-Expose-Headers"] = _EXPOSED_HEADERS
        if request.method == "OPTIONS":
            response.headers["Access-Control-Allow-Methods"] = "GET, HEAD"
            response.headers["Access-Control-Allow-Headers"] = _REQUEST_HEADERS
            response.headers["Access-Control-Max-Age"] = PREFLIGHT_SECONDS
    return response
