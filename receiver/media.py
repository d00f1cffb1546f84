"""The stored bytes, by signed and expiring link: from the disk, through us, or from the bucket."""

import os
from datetime import UTC, datetime
from io import RawIOBase
from typing import IO, cast

from flask import Blueprint, Response, redirect, request
from flask.typing import ResponseReturnValue
from pydantic import ConfigDict, Field
from werkzeug.exceptions import HTTPException
from werkzeug.wsgi import FileWrapper

from jobs.errors import InvalidLink, MediaGone, StorageError
from jobs.job import Job
from jobs.media_file import MediaFile
from jobs.serializer import file_name
from jobs.signing import MediaLink
from jobs.storage.base import EXTENSIONS, OPAQUE, MediaStore, Verb
from jobs.store.job_store import JobStore
from receiver import cors, ranges
from receiver.auth import shows_a_key
from receiver.blocking_calls import aside
from receiver.context import services
from receiver.object_reader import Window
from receiver.schemas.endpoint import EndpointSpec, ResponseSpec, Tag
from receiver.schemas.query import Query
from receiver.schemas.responses import Problem

# Media come from outside: a browser must neither guess another type nor run anything in them.
SAFETY_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "default-src 'none'; sandbox",
    "Cross-Origin-Resource-Policy": "cross-origin",
}
CACHE_SECONDS = 3600
BLOCK_BYTES = 256 * 1024  # of a file on the disk; in memory for each client
PRESIGNED_SECONDS = 3600  # long enough to watch a video by one redirect


class MediaQuery(Query):
    """How the file is wanted."""

    model_config = ConfigDict(extra="ignore")

    download: str | None = Field(default=None, description="to save it instead of showing it")


blueprint = Blueprint("media", __name__)
blueprint.after_request(cors.allow)


KINDS = tuple(EXTENSIONS)
FILE = ("ETag", "Accept-Ranges", "Cache-Control", "Content-Disposition")


@blueprint.get("/media/<token>")
@EndpointSpec(
    operation_id="getMedia",
    summary="Fetch a file",
    tag=Tag.MEDIA,
    query=MediaQuery,
    headers=("Range", "If-None-Match", "If-Range"),
    responses={
        200: ResponseSpec("The bytes.", content_types=KINDS, headers=FILE),
        206: ResponseSpec("A part of them.", content_types=KINDS, headers=(*FILE, "Content-Range")),
        302: ResponseSpec("They are in the bucket.", headers=("Location",)),
        304: ResponseSpec("They are as they were.", headers=("ETag",)),
        416: ResponseSpec("No such part.", Problem, headers=("Content-Range",)),
    },
    errors=(InvalidLink, MediaGone, StorageError),
)
def serve(token: str) -> ResponseReturnValue:
    """Range and conditional requests are answered; the ETag is the SHA-256 of the bytes."""
    store, media = services().store, services().media
    link = services().links.read(token, store.now())
    job, file = _linked(store, link)
    seconds = int(link.expires - store.now())
    if elsewhere := _presigned(media, file, seconds):
        return elsewhere
    response = _from_disk(media, file) or _through_us(media, file)
    response.headers.update(SAFETY_HEADERS)
    opaque = file.content_type == OPAQUE
    how = "attachment" if opaque or "download" in request.args else "inline"
    name = file_name(job, link.n, file.key)
    response.headers["Content-Disposition"] = f'{how}; filename="{name}"'
    # Nobody else's cache, and never beyond the life of the link.
    response.headers["Cache-Control"] = f"private, max-age={min(CACHE_SECONDS, seconds)}"
    return response


def _linked(store: JobStore, link: MediaLink) -> tuple[Job, MediaFile]:
    job = store.load(link.job_id, exactly=True)
    if job is None or not 0 <= link.n < len(job.media):
        raise MediaGone("the media were deleted")
    if job.media[link.n].deleted_at is not None:
        raise MediaGone("the media were deleted")
    file = job.media[link.n].thumbnail if link.thumbnail else job.media[link.n]
    if file is None:
        raise MediaGone("the thumbnail was deleted")
    return job, file


def _presigned(media: MediaStore, file: MediaFile, seconds: int) -> ResponseReturnValue | None:
    """A redirect to the bucket, where one can be had; a download's name only we can set."""
    ours = services().settings.media_serve != "redirect" or "download" in request.args
    # Some clients carry their key across a redirect, to whatever host it leads.
    if ours or shows_a_key() or seconds < 1:
        return None
    life = min(seconds, PRESIGNED_SECONDS)
    # The method is part of what is signed.
    verb: Verb = "HEAD" if request.method == "HEAD" else "GET"
    url = aside(lambda: media.presigned(verb, file.key, life))
    if url is None:
        return None
    _size(media, file)
    response = redirect(url, 302)
    # What it leads to dies on its own; who kept it would be sent to a dead end.
    response.headers["Cache-Control"] = "private, no-store"
    response.headers["Referrer-Policy"] = "no-referrer"
    return response


def _size(media: MediaStore, file: MediaFile) -> int:
    size = aside(lambda: media.size(file.key))
    if size is None:
        raise MediaGone("the media were deleted")
    return size


def _from_disk(media: MediaStore, file: MediaFile) -> Response | None:
    path = media.local_path(file.key)
    if path is None:
        return None
    try:
        body = path.open("rb", buffering=0)
    except FileNotFoundError:
        raise MediaGone("the media were deleted") from None
    about = os.fstat(body.fileno())
    return _conditional(file, body, about.st_size, datetime.fromtimestamp(about.st_mtime, UTC))


def _through_us(media: MediaStore, file: MediaFile) -> Response:
    size = _size(media, file)
    window = Window(media, file.key, size)
    response = _conditional(file, window, size)
    window.end_at(response.content_range.stop or size)
    return response


def _conditional(
    file: MediaFile, body: RawIOBase, size: int, modified: datetime | None = None
) -> Response:
    # Not the server's wrapper, as send_file has it: it cannot seek, and would read a range from
    # the beginning; and gevent sends what is in it by 8 KB.
    wrapped = FileWrapper(cast(IO[bytes], body), BLOCK_BYTES)
    response = Response(wrapped, mimetype=file.content_type, direct_passthrough=True)
    response.content_length = size
    response.last_modified = modified
    response.set_etag(file.sha256)
    try:
        understood = ranges.understood(request, response, size)
        response.make_conditional(understood, accept_ranges=True, complete_length=size)
    except HTTPException:
        response.close()
        raise
    return response
