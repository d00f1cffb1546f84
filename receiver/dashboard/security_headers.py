"""Security headers of pages: browsers load and run only what this origin serves."""

from urllib.parse import urlsplit

from flask import Response

from jobs.errors import StorageError
from jobs.services import Services
from receiver.thread_pool import run_in_thread

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
        self._media = services.storage
        self._is_redirected = services.settings.media_serve == "redirect"
        self._media_sources = ""

    def apply(self, response: Response) -> Response:
        policy = POLICY | dict.fromkeys(("img-src", "media-src"), self._sources_of_media())
        directives = "; ".join(f"{name} {value}" for name, value in policy.items())
        response.headers["Content-Security-Policy"] = directives
        response.headers.update(HEADERS)
        response.headers.setdefault("Cache-Control", "private, no-store")
        return response

    def _sources_of_media(self) -> str:
        """This origin, and the bucket if media links redirect to it."""
        if not self._media_sources:
            try:
                self._media_sources = f"'self' {self._bucket_origin()}".rstrip()
            except StorageError:
                return "'self'"
        return self._media_sources

    def _bucket_origin(self) -> str:
        """The origin of a presigned URL; it is the same for every object."""
        if not self._is_redirected:
            return ""
        link = run_in_thread(lambda: self._media.presign("GET", "any", SAMPLE_LINK_SECONDS))
        parts = urlsplit(link or "")
        return f"{parts.scheme}://{parts.netloc}" if parts.netloc else ""
