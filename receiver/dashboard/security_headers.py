"""What a browser may do with our pages: nothing that is not ours."""

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
PROBE_SECONDS = 60


class Defence:
    """The headers of every page."""

    def __init__(self, services: Services) -> None:
        self._media = services.media
        self._redirects = services.settings.media_serve == "redirect"
        self._hosts = ""

    def secured(self, response: Response) -> Response:
        """After each request; a page is for its visitor alone, and is not kept."""
        policy = POLICY | dict.fromkeys(("img-src", "media-src"), self._media_hosts())
        said = "; ".join(f"{name} {value}" for name, value in policy.items())
        response.headers["Content-Security-Policy"] = said
        response.headers.update(HEADERS)
        response.headers.setdefault("Cache-Control", "private, no-store")
        return response

    def _media_hosts(self) -> str:
        """A link to media leads on to the bucket, unless they come through us."""
        if not self._hosts:
            try:
                self._hosts = f"'self' {self._bucket()}".rstrip()
            except StorageError:
                return "'self'"
        return self._hosts

    def _bucket(self) -> str:
        """The origin of what the bucket signs, which is the same for every object."""
        if not self._redirects:
            return ""
        parts = urlsplit(
            run_in_thread(lambda: self._media.presign("GET", "any", PROBE_SECONDS)) or ""
        )
        return f"{parts.scheme}://{parts.netloc}" if parts.netloc else ""
