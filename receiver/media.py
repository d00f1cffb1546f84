"""Media by signed, expiring link: streamed, or redirected to the bucket. CORS is only here."""

import errno
import logging
import os
from collections.abc import Iterator
from datetime import UTC, datetime
from io import FileIO
from pathlib import Path

from flask import Blueprint, Response, after_this_request, redirect, request
from flask.typing import ResponseReturnValue
from pydantic import ConfigDict, Field
from werkzeug.exceptions import HTTPException

from jobs.catalog import Catalog
from jobs.domain.errors import InvalidLink, MediaGone, StorageError
from jobs.domain.job import Job
from jobs.domain.job_record import MediaFile
from jobs.signing import MediaLink
from jobs.storage.base import MediaStorage, ObjectFacts, Verb
from jobs.storage.layout import EXTENSIONS, OPAQUE
from jobs.views import file_name
from receiver import range_requests
from receiver.auth import key_headers
from receiver.blocking_calls import run_in_thread
from receiver.context import current_services
from receiver.schemas.endpoint_spec import EndpointSpec, ResponseSpec
from receiver.schemas.query import Query
from receiver.schemas.responses import Problem

# Media are untrusted: a browser must not guess another type, nor run scripts in them. A video is
# opened in a page that the browser makes, and that loads the link again: it may, from our origin.
SAFETY_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "default-src 'none'; media-src 'self'; sandbox allow-same-origin",
    "Cross-Origin-Resource-Policy": "cross-origin",
}
CACHE_SECONDS = 3600
BLOCK_BYTES = 256 * 1024  # read from disk at once, for each client
PRESIGNED_SECONDS = 3600  # enough to watch a video after one redirect
RESUMPTIONS_MAX = 3  # of a download from the bucket, in a row without a byte
# Destinations that a browser shows or plays. The destination of a script's request is "empty": it
# would need the bucket's CORS rules.
_SHOWN_BY_BROWSERS = frozenset(
    {"document", "iframe", "frame", "embed", "object", "image", "video", "audio"}
)
CONTENT_TYPES = tuple(EXTENSIONS)
PREFLIGHT_SECONDS = "86400"
_EXPOSED_HEADERS = "Accept-Ranges, Content-Length, Content-Range, ETag"
_REQUEST_HEADERS = "Range, If-Range, If-None-Match"


class MediaQuery(Query):
    """How to deliver the file."""

    model_config = ConfigDict(extra="ignore")

    download: str | None = Field(default=None, description="if present, as an attachment")
    redirect: str | None = Field(
        default=None,
        description="if present, redirect to the bucket where MEDIA_SERVE is `redirect`",
    )


log = logging.getLogger(__name__)
blueprint = Blueprint("media", __name__)


@blueprint.after_request
def add_cors_headers(response: Response) -> Response:
    """Add the CORS headers for the request's origin, and answer its preflight."""
    allowed = current_services().settings.cors_origins
    if not allowed:
        return response
    if "*" in allowed:
        origin = "*"
    else:
        origin = request.headers.get("Origin", "")
        response.vary.add("Origin")
    if origin in allowed:
        response.headers["Access-Control-Allow-Origin"] = origin
        response.headers["Access-Control-Expose-Headers"] = _EXPOSED_HEADERS
        if request.method == "OPTIONS":
            response.headers["Access-Control-Allow-Methods"] = "GET, HEAD"
            response.headers["Access-Control-Allow-Headers"] = _REQUEST_HEADERS
            response.headers["Access-Control-Max-Age"] = PREFLIGHT_SECONDS
    return response


@blueprint.get("/media/<token>")
@EndpointSpec(
    query=MediaQuery,
    headers=("Range", "If-None-Match", "If-Range"),
    responses={
        200: ResponseSpec("The file.", content_types=CONTENT_TYPES),
        206: ResponseSpec("A range of the file.", content_types=CONTENT_TYPES),
        302: "A presigned link to the bucket: for browsers, where MEDIA_SERVE is `redirect`.",
        304: "The file has not changed.",
        416: ResponseSpec("The file has no such range.", Problem),
    },
    errors=(InvalidLink, MediaGone, StorageError),
)
def get_media(token: str) -> ResponseReturnValue:
    """Fetch a file. Range and conditional requests work; the ETag is its SHA-256."""
    services = current_services()
    link = services.links.read(token, services.store.now())
    job, file = _load_file(services.catalog, link)
    valid_seconds = int(link.expires - services.store.now())
    if services.settings.media_serve == "redirect":
        after_this_request(_vary_by_destination)
        redirection = None
        if _may_redirect():
            redirection = _redirect(services.storage, file, valid_seconds)
        if redirection is not None:
            return redirection
    response = _stream(services.storage, file)
    response.headers.update(SAFETY_HEADERS)
    disposition = "inline"
    if file.content_type == OPAQUE or "download" in request.args:
        disposition = "attachment"
    name = file_name(job, link.n, file.key)
    response.headers["Content-Disposition"] = f'{disposition}; filename="{name}"'
    # No shared cache, and never longer than the link is valid.
    response.headers["Cache-Control"] = f"private, max-age={min(CACHE_SECONDS, valid_seconds)}"
    return response


def _load_file(catalog: Catalog, link: MediaLink) -> tuple[Job, MediaFile]:
    """The job and the file that a link names. Raises MediaGone."""
    job = catalog.load(link.job_id, exactly=True)
    if job is None:
        raise MediaGone("the media were deleted")
    files = job.media
    if link.is_input:
        files = job.request.input_files
    if link.n < 0 or link.n >= len(files):
        raise MediaGone("the media were deleted")
    file = files[link.n]
    if file.deleted_at is not None:
        raise MediaGone("the media were deleted")
    if not link.thumbnail:
        return job, file
    if file.thumbnail is None:
        raise MediaGone("the thumbnail was deleted")
    return job, file.thumbnail


def _may_redirect() -> bool:
    """Whether this client follows redirects: a browser that shows the file, or `?redirect`.

    Other clients may store the page of a redirect in place of the file, or refuse its host.
    """
    # Only our own response can name a download. Some clients send their key to the redirect's
    # host, too.
    if "download" in request.args or any(key_headers()):
        return False
    destination = request.headers.get("Sec-Fetch-Dest", "").strip().lower()
    return "redirect" in request.args or destination in _SHOWN_BY_BROWSERS


def _vary_by_destination(response: Response) -> Response:
    response.vary.add("Sec-Fetch-Dest")
    return response


def _redirect(
    storage: MediaStorage, file: MediaFile, valid_seconds: int
) -> ResponseReturnValue | None:
    """A redirect to a presigned link; None where the storage cannot sign one."""
    if valid_seconds < 1:
        return None
    # The signature includes the method.
    verb: Verb = "GET"
    if request.method == "HEAD":
        verb = "HEAD"
    url = run_in_thread(storage.presign, verb, file.key, min(valid_seconds, PRESIGNED_SECONDS))
    if url is None:
        return None
    _load_facts(storage, file)  # a lost object is 410 here, and not an error page of the bucket
    response = redirect(url, 302)
    # The target expires: a cached redirect would lead to a dead link.
    response.headers["Cache-Control"] = "private, no-store"
    response.headers["Referrer-Policy"] = "no-referrer"
    return response


def _load_facts(storage: MediaStorage, file: MediaFile) -> ObjectFacts:
    """Size and time of the stored object. Raises MediaGone."""
    facts = run_in_thread(storage.facts, file.key)
    if facts is None:
        raise MediaGone("the media were deleted")
    return facts


def _stream(storage: MediaStorage, file: MediaFile) -> Response:
    """The file from the disk, or from the bucket."""
    response = Response(mimetype=file.content_type)
    response.set_etag(file.sha256)
    path = storage.local_path(file.key)
    if path is None:
        _stream_from_bucket(response, storage, file)
    else:
        _stream_from_disk(response, path)
    return response


def _stream_from_bucket(response: Response, storage: MediaStorage, file: MediaFile) -> None:
    facts = _load_facts(storage, file)
    response.last_modified = facts.modified_at
    start, stop = range_requests.prepare(response, request, facts.bytes)
    response.response = _chunks(storage, file.key, start, stop)


def _stream_from_disk(response: Response, path: Path) -> None:
    try:
        file = path.open("rb", buffering=0)
    except FileNotFoundError:
        raise MediaGone("the media were deleted") from None
    stat = os.fstat(file.fileno())
    response.last_modified = datetime.fromtimestamp(stat.st_mtime, UTC)
    response.call_on_close(file.close)
    try:
        start, stop = range_requests.prepare(response, request, stat.st_size)
    except HTTPException:
        response.close()
        raise
    file.seek(start)
    response.response = _blocks(file, stop)


def _blocks(file: FileIO, stop: int) -> Iterator[bytes]:
    """Read an open file from its position as the client reads."""
    block = file.read(min(BLOCK_BYTES, stop - file.tell()))
    while block:
        yield block
        block = file.read(min(BLOCK_BYTES, stop - file.tell()))


def _chunks(storage: MediaStorage, object_key: str, start: int, stop: int) -> Iterator[bytes]:
    """Download from the bucket as the client reads; holds one chunk in memory.

    A bucket may hang up on a slow reader: then the remaining part is requested again.
    """
    position = start
    failures = 0
    while position < stop:
        reason = "the bucket sent less than the whole file"
        try:
            chunks = run_in_thread(storage.read, object_key, position, stop)
            chunk = run_in_thread(next, chunks, b"")
            while chunk:
                position += len(chunk)
                failures = 0
                yield chunk
                chunk = run_in_thread(next, chunks, b"")
        except StorageError as error:
            reason = str(error)
        if position < stop:
            failures += 1
            if failures > RESUMPTIONS_MAX:
                log.warning("storage: %s, during a download", reason)
                # gunicorn treats this error as a closed connection. It would log any other with
                # the path, which is the signed link.
                raise ConnectionResetError(errno.ECONNRESET, "storage failed")
