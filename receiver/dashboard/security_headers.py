"""Security headers of pages: browsers load and run only what this origin serves."""

from contextlib import suppress
from urllib.parse import urlsplit

from flask import Response

from jobs.domain.errors import StorageError
from jobs.services import Services
from receiver.blocking_calls import run_in_thread

POLICY = {
    "default-src": "'none'",
    "script-src": "'self'",
    "style-src": "'self'",
    "connect-src": "'self'",
    "form-action": "'self'",
    "base-uri": "'none'",
    "frame-ancestors": "'none'",
}
HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}
SAMPLE_LINK_SECONDS = 60


class SecurityHeaders:
    """Content-Security-Policy and the like, for the storage of this installation."""

    def __init__(self, services: Services) -> None:
        self._storage = services.storage
        is_redirected = services.settings.media_serve == "redirect"
        self._media_sources = None if is_redirected else "'self'"

    def apply(self, response: Response) -> Response:
        if self._media_sources is None:  # this origin, and that of presigned URLs
            with suppress(StorageError):
                link = run_in_thread(self._storage.presign, "GET", "any", SAMPLE_LINK_SECONDS)
                bucket = urlsplit(link or "")
                origin = f" {bucket.scheme}://{bucket.netloc}" if link else ""
                self._media_sources = f"'self'{origin}"
        policy = POLICY | dict.fromkeys(("img-src", "media-src"), self._media_sources or "'self'")
        directives = "; ".join(f"{name} {value}" for name, value in policy.items())
        response.headers["Content-Security-Policy"] = directives
        response.headers.update(HEADERS)
        response.headers.setdefault("Cache-Control", "private, no-store")
        return response
