"""`GET /api/jobs.zip`: the files of many jobs, streamed from the storage as one ZIP file."""

import errno
import hashlib
import logging
import threading
import time
import zipfile
from collections import Counter
from collections.abc import Iterable, Iterator
from functools import partial

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
from receiver.context import current_services
from receiver.schemas.endpoint_spec import EndpointSpec, ResponseSpec
from receiver.schemas.query import FilterQuery

FILES_MAX = 10_000
STREAMS_MAX = 8  # in each process: other requests need the threads of the storage, too
STREAMS_OF_KEY_MAX = 2  # of these
FIND_SECONDS = 20.0  # routers close a connection that is silent for longer
PAGE = 50
PIECE_BYTES = 32 * 1024  # that a client is sent between two looks at the clock
SLOWEST_BYTES_PER_SECOND = 16 * 1024  # in each WINDOW_SECONDS
WINDOW_SECONDS = 60.0
# Neither changes a byte: a reader of a stream finds the end of what is deflated, and level 0 does
# not compress. Of a stored entry its size and its CRC would have to be known before its bytes.
DEFLATED, UNCOMPRESSED = zipfile.ZIP_DEFLATED, 0
ZIP = "application/zip"

log = logging.getLogger(__name__)
blueprint = Blueprint("downloads", __name__)


class Places:
    """Places for downloads in one process, of which one API key takes a part."""

    def __init__(self) -> None:
        self._taken = Counter[str]()
        self._lock = threading.Lock()

    def take(self, key_name: str) -> None:
        """Raises TooManyWaiting."""
        with self._lock:
            is_full = self._taken.total() >= STREAMS_MAX
            if is_full or self._taken[key_name] >= STREAMS_OF_KEY_MAX:
                raise TooManyWaiting
            self._taken[key_name] += 1

    def give_back(self, key_name: str) -> None:
        with self._lock:
            self._taken[key_name] -= 1


_places = Places()


class CheckedFile:
    """The bytes of a stored file, counted and hashed as they are read."""

    def __init__(self, file: MediaFile, chunks: Iterator[bytes]) -> None:
        self._file = file
        self._chunks = chunks
        self._digest = hashlib.sha256()
        self._bytes = 0
        self._first = run_in_thread(self._read)

    def _read(self) -> bytes:
        """Read the next chunk, no byte beyond the recorded size."""
        chunk = bytes(next(self._chunks, b""))
        self._bytes += len(chunk)
        self._digest.update(chunk)
        excess_bytes = max(self._bytes - self._file.bytes, 0)
        return chunk[: len(chunk) - excess_bytes]

    def __iter__(self) -> Iterator[bytes]:
        chunk = self._first
        while chunk:
            yield chunk
            chunk = run_in_thread(self._read)

    @property
    def is_intact(self) -> bool:
        """Whether all that was read is what was recorded."""
        has_size = self._bytes == self._file.bytes
        return has_size and self._digest.hexdigest() == self._file.sha256


@blueprint.get("/api/jobs.zip")
@EndpointSpec(
    scope="read",
    query=FilterQuery,
    responses={200: ResponseSpec("The files.", content_types=(ZIP,))},
    errors=(errors.TooManyJobs, errors.TooManyWaiting),
)
def get_zip() -> ResponseReturnValue:
    """Download the files of all jobs that match. As one ZIP file, without compression.

    `<job id>-<n>.<extension>` is the n-th file of `media`, counted from 0, and `<job id>-<n>.json`
    describes its job. `MISSING.txt` names files that the storage has no more or that are damaged,
    or says that no file matches. Each web process sends two at once to a key.
    """
    return zip_response(
        current_services(), matching(current_services(), FilterQuery.read().search())
    )


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
    key_name = g.api_key.name
    _places.take(key_name)
    try:
        names = _names(pages)
    except BaseException:  # a killed greenlet, too, gives back what it holds
        _places.give_back(key_name)
        raise
    content = in_time(_content(services, names, ownership.owner(), with_input=may_submit))
    response = Response(content, mimetype=ZIP)
    response.call_on_close(partial(_places.give_back, key_name))
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
    bundle = ZipStream(compress_type=DEFLATED, compress_level=UNCOMPRESSED)
    missing, ids = list[str](), list(names)
    try:
        for first in range(0, len(ids), PAGE):
            jobs = services.catalog.load_many(ids[first : first + PAGE])
            for job_id in ids[first : first + PAGE]:
                job = jobs.get(job_id)
                given = job.media if job and owner in (None, job.request.key) else ()
                for n, name in enumerate(names[job_id]):
                    checked = _open(services.storage, given[n]) if n < len(given) else None
                    if job is None or checked is None:
                        missing.append(name)
                        continue
                    bundle.add(checked, name, size=given[n].bytes)
                    bundle.add(_description(job, with_input=with_input), f"{job_id}-{n}.json")
                    yield from bundle.all_files()
                    if not checked.is_intact:
                        log.warning("job %s: %s is damaged", job_id, given[n].key)
                        missing.append(f"{name}: damaged, these are not the bytes that were stored")
        if missing or not any(names.values()):  # many programs take an empty file for a broken one
            text = "".join(f"{name}\n" for name in missing) or "No file matches.\n"
            bundle.add(text, "MISSING.txt")
        yield from bundle.finalize()
    except FluxkeepError as error:
        log.warning("download of many files: %s", error)
        # gunicorn treats this error as a closed connection: what was sent is not a whole file.
        raise ConnectionResetError(errno.ECONNRESET, "storage failed") from None


def _open(storage: MediaStorage, file: MediaFile) -> CheckedFile | None:
    """A file, of which the first chunk is read; None if it is gone. Raises StorageError."""
    if file.deleted_at is not None or run_in_thread(storage.size, file.key) is None:
        return None
    return CheckedFile(file, storage.read(file.key))


def _description(job: Job, *, with_input: bool) -> bytes:
    """As the sidecar; what was asked for is for keys of scope `submit`, as in the API."""
    described = sidecars.document(job)
    if not with_input:
        described = {name: described[name] for name in described if not name.startswith("input")}
    return to_json(described, indent=2) + b"\n"


def in_time(chunks: Iterator[bytes]) -> Iterator[bytes]:
    """End a download that makes hardly any progress, however much it has received before.

    A chunk is sent in pieces: all of it could take a slow client an hour.
    """
    window_began_at = time.monotonic()
    bytes_in_window = 0
    for chunk in chunks:
        for start in range(0, len(chunk), PIECE_BYTES):
            piece = chunk[start : start + PIECE_BYTES]
            yield piece
            bytes_in_window += len(piece)
            seconds = time.monotonic() - window_began_at
            if seconds < WINDOW_SECONDS:
                continue
            if bytes_in_window < SLOWEST_BYTES_PER_SECOND * seconds:
                raise BrokenPipeError(errno.EPIPE, "the client reads too slowly")
            window_began_at = time.monotonic()
            bytes_in_window = 0
