"""The stored bytes, by signed and expiring link."""

from flask import Blueprint, send_file
from flask.typing import ResponseReturnValue

from jobs.errors import Gone
from jobs.kept import Kept
from jobs.signing import MediaLink
from jobs.store import Store
from receiver.wiring import services

# Media come from outside: a browser must neither guess another type nor run anything in them.
SAFETY_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "default-src 'none'; sandbox",
    "Cross-Origin-Resource-Policy": "cross-origin",
}
CACHE_SECONDS = 3600

blueprint = Blueprint("media", __name__)


@blueprint.get("/media/<token>")
def serve(token: str) -> ResponseReturnValue:
    """Range and conditional requests are answered; the ETag is the SHA-256 of the bytes."""
    store = services().store
    link = services().links.read(token, store.now())
    file, seconds = _linked(store, link), int(link.expires - store.now())
    path = services().media.local_path(file.key)
    if not path.is_file():
        raise Gone("the media were deleted")
    response = send_file(
        path,
        mimetype=file.content_type,
        download_name=path.name,
        etag=file.sha256,
        conditional=True,
    )
    response.headers.update(SAFETY_HEADERS)
    # Nobody else's cache, and never beyond the life of the link.
    response.headers["Cache-Control"] = f"private, max-age={min(CACHE_SECONDS, seconds)}"
    return response


def _linked(store: Store, link: MediaLink) -> Kept:
    job = store.load(link.job_id)
    if job is None or not 0 <= link.n < len(job.media):
        raise Gone("the media were deleted")
    return job.media[link.n]
