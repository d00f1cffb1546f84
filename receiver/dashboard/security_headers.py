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
THIS_ORIGIN = "'self'"


class SecurityHeaders:
    """Content-Security-Policy and the like, for the storage of this installation."""

    def __init__(self, services: Services) -> None:
        self._storage = services.storage
        self._media_sources: str | None = THIS_ORIGIN
        if services.settings.media_serve == "redirect":
            self._media_sources = None  # not known until the storage has presigned a URL

    def apply(self, response: Response) -> Response:
        if self._media_sources is None:
            with suppress(StorageError):
                self._media_sources = self._sources_with_redirects()
        media_sources = self._media_sources or THIS_ORIGIN
        policy = {**POLICY, "img-src": media_sources, "media-src": media_sources}
        directives = "; ".join(f"{name} {value}" for name, value in policy.items())
        response.headers["Content-Security-Policy"] = directives
        response.headers.update(HEADERS)
        response.headers.setdefault("Cache-Control", "private, no-store")
        return response

    def _sources_with_redirects(self) -> str:
        """This origin, and the origin of presigned URLs. Raises StorageError."""
        link = run_in_thread(self._storage.presign, "GET", "any", SAMPLE_LINK_SECONDS)
        if not link:
            return THIS_ORIGIN
        bucket = urlsplit(link)
        return f"{THIS_ORIGIN} {bucket.scheme}://{bucket.netloc}"
