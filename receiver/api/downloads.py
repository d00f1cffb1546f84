"""`GET /api/jobs.zip`: the files of many jobs, streamed from the storage as one ZIP file."""

import errno
import logging
import threading
import time
from collections.abc import Iterable, Iterator
from itertools import chain

from flask import Blueprint, Response, g
from flask.typing import ResponseReturnValue
from pydantic_core import to_json
from zipstream import ZipStream

from jobs import sidecars
from jobs.domain import errors
from jobs.domain.errors import FluxkeepError, TooManyJobs, TooManyWaiting
from jobs.domain.job import Job
from jobs.domain.job_record import MediaFile
from jobs.services import Services
from jobs.storage.base import MediaStorage
from jobs.store.search_conditions import Search
from receiver import ownership
from receiver.blocking_calls import run_in_thread
from receiver.context import services
from receiver.schemas.endpoint_spec import EndpointSpec, ResponseSpec
from receiver.schemas.query import FilterQuery

FILES_MAX = 10_000
STREAMS_MAX = 2  # in each process: other requests need the threads of the storage, too
FIND_SECONDS = 20.0  # routers close a connection that is silent for longer
PAGE = 50
SLOWEST_BYTES_PER_SECOND = 16 * 1024  # on average, after GRACE_SECONDS
GRACE_SECONDS = 60.0
ZIP = "application/zip"

log = logging.getLogger(__name__)
blueprint = Blueprint("downloads", __name__)
_places = threading.BoundedSemaphore(STREAMS_MAX)


@blueprint.get("/api/jobs.zip")
@EndpointSpec(
    scope="read",
    query=FilterQuery,
    responses={200: ResponseSpec("The files.", content_types=(ZIP,))},
    errors=(errors.TooManyJobs, errors.TooManyWaiting),
)
def get_zip() -> ResponseReturnValue:
    """Download the files of all jobs that match. As one ZIP file, stored and not compressed.

    `<job id>-<n>.<extension>` is the n-th file of `media`, counted from 0, and `<job id>-<n>.json`
    describes its job. `MISSING.txt` names files that the storage has no more, or says that no file
    matches. Each web process sends two at once.
    """
    return zip_response(services(), matching(services(), FilterQuery.read().search()))


def matching(services: Services, search: Search) -> Iterator[list[Job]]:
    """Pages of all jobs that the request may see. Raises TooManyJobs when that takes too long."""
    until = time.monotonic() + FIND_SECONDS
    for jobs in services.catalog.walk(ownership.visible(search), PAGE):
        yield jobs
        if time.monotonic() > until:
            raise TooManyJobs(
                f"finding them takes longer than {FIND_SECONDS:.0f} s: narrow the filter with "
                "`since` and `until`"
            )


def zip_response(services: Services, pages: Iterable[list[Job]]) -> Response:
    """A ZIP file of jobs that the request may see. Raises TooManyJobs, TooManyWaiting."""
    may_submit = g.api_key.has_scope("submit")
    if not _places.acquire(blocking=False):
        raise TooManyWaiting
    try:
        names = _names(pages)
    except BaseException:  # a killed greenlet, too, gives back what it holds
        _places.release()
        raise
    content = _in_time(_content(services, names, ownership.owner(), with_input=may_submit))
    response = Response(content, mimetype=ZIP)
    response.call_on_close(_places.release)
    day = time.strftime("%Y-%m-%d", time.gmtime())
    response.headers["Content-Disposition"] = f'attachment; filename="fluxkeep-{day}.zip"'
    response.headers["Cache-Control"] = "private, no-store"
    return response


def _names(pages: Iterable[list[Job]]) -> dict[str, list[str]]:
    """The names of the files in the ZIP file, by job. Raises TooManyJobs."""
    found, files = dict[str, list[str]](), 0
    for jobs in pages:
        for job in jobs:
            found[job.id] = [
                f"{job.id}-{n}.{file.key.rpartition('.')[2]}" for n, file in enumerate(job.media)
            ]
            files += len(job.media)
        if files > FILES_MAX:
            raise TooManyJobs(
                f"more than {FILES_MAX:,} files match: narrow the filter with `since` and `until`"
            )
    return found


def _content(
    services: Services, names: dict[str, list[str]], owner: str | None, *, with_input: bool
) -> Iterator[bytes]:
    """The bytes of the ZIP file; holds a chunk, and the records of a few jobs."""
    bundle, missing, ids = ZipStream(), list[str](), list(names)
    try:
        for first in range(0, len(ids), PAGE):
            jobs = services.catalog.load_many(ids[first : first + PAGE])
            for job_id in ids[first : first + PAGE]:
                job = jobs.get(job_id)
                given = job.media if job and owner in (None, job.request.key) else ()
                for n, name in enumerate(names[job_id]):
                    chunks = _open(services.storage, given[n]) if n < len(given) else None
                    if job is None or chunks is None:
                        missing.append(name)
                        continue
                    bundle.add(chunks, name, size=given[n].bytes)
                    bundle.add(_description(job, with_input=with_input), f"{job_id}-{n}.json")
                    yield from bundle.all_files()
        if missing or not any(names.values()):  # many programs take an empty file for a broken one
            text = "".join(f"{name}\n" for name in missing) or "No file matches.\n"
            bundle.add(text, "MISSING.txt")
        yield from bundle.finalize()
    except FluxkeepError as error:
        log.warning("download of many files: %s", error)
        # gunicorn treats this error as a closed connection: what was sent is not a whole file.
        raise ConnectionResetError(errno.ECONNRESET, "storage failed") from None


def _open(storage: MediaStorage, file: MediaFile) -> Iterator[bytes] | None:
    """The chunks of a file, of which the first is read; None if it is gone. Raises StorageError."""
    if file.deleted_at is not None or run_in_thread(storage.size, file.key) is None:
        return None
    chunks = storage.read(file.key)
    return chain([run_in_thread(next, chunks, b"")], _rest(chunks))


def _rest(chunks: Iterator[bytes]) -> Iterator[bytes]:
    while chunk := run_in_thread(next, chunks, b""):
        yield bytes(chunk)


def _description(job: Job, *, with_input: bool) -> bytes:
    """As the sidecar; what was asked for is for keys of scope `submit`, as in the API."""
    described = sidecars.document(job)
    if not with_input:
        described = {name: described[name] for name in described if not name.startswith("input")}
    return to_json(described, indent=2) + b"\n"


def _in_time(chunks: Iterator[bytes]) -> Iterator[bytes]:
    """End a download that is so slow that it would keep its place for days."""
    started, sent = time.monotonic(), 0
    for chunk in chunks:
        yield chunk
        sent += len(chunk)
        if time.monotonic() - started > GRACE_SECONDS + sent / SLOWEST_BYTES_PER_SECOND:
            raise BrokenPipeError(errno.EPIPE, "the client reads too slowly")
