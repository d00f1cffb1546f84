"""`GET /api/jobs.zip`: the files of many jobs, streamed from the storage as one ZIP file."""

import errno
import threading
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from functools import partial

from flask import Blueprint, Response, g
from flask.typing import ResponseReturnValue

from jobs.domain import errors
from jobs.domain.errors import TooManyJobs, TooManyWaiting
from jobs.domain.job import Job
from jobs.services import Services
from jobs.store.search_conditions import Search
from receiver import ownership
from receiver.context import current_services
from receiver.schemas.endpoint_spec import EndpointSpec, ResponseSpec
from receiver.schemas.query import FilterQuery
from receiver.zip_content import PAGE_JOBS, ZipContent

FILES_MAX = 10_000
STREAMS_MAX = 8  # in each process: other requests need the threads of the storage, too
STREAMS_OF_KEY_MAX = 2  # of the streams of a process
FIND_SECONDS = 20.0  # routers close a connection that is silent for longer
PIECE_BYTES = 32 * 1024  # sent to a client between two readings of the clock
SLOWEST_BYTES_PER_SECOND = 16 * 1024  # in each WINDOW_SECONDS
WINDOW_SECONDS = 60.0
ZIP = "application/zip"

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
    search = FilterQuery.read().search()
    return zip_response(current_services(), matching_pages(current_services(), search))


def matching_pages(services: Services, search: Search) -> Iterator[list[Job]]:
    """Pages of all jobs that the request may see. Raises TooManyJobs when that takes too long."""
    until = time.monotonic() + FIND_SECONDS
    for jobs in services.catalog.walk(ownership.restrict_to_visible(search), PAGE_JOBS):
        yield jobs
        if time.monotonic() > until:
            raise TooManyJobs(
                f"finding them takes longer than {FIND_SECONDS:.0f} s: narrow the filter with "
                "`since` and `until`"
            )


def zip_response(services: Services, pages: Iterable[list[Job]]) -> Response:
    """A ZIP file of jobs that the request may see. Raises TooManyJobs, TooManyWaiting."""
    key_name = g.api_key.name
    _places.take(key_name)
    try:
        names = _names_of_files(pages)
    except BaseException:  # a killed greenlet, too, gives back what it holds
        _places.give_back(key_name)
        raise
    with_input = g.api_key.has_scope("submit")
    content = ZipContent(services, names, ownership.owner(), with_input=with_input)
    response = Response(require_speed(content), mimetype=ZIP)
    response.call_on_close(partial(_places.give_back, key_name))
    day = time.strftime("%Y-%m-%d", time.gmtime())
    response.headers["Content-Disposition"] = f'attachment; filename="fluxkeep-{day}.zip"'
    response.headers["Cache-Control"] = "private, no-store"
    return response


def _names_of_files(pages: Iterable[list[Job]]) -> dict[str, list[str]]:
    """The names of the files in the ZIP file, by job. Raises TooManyJobs."""
    names: dict[str, list[str]] = {}
    file_count = 0
    for jobs in pages:
        for job in jobs:
            names[job.id] = _names_of_job(job)
            file_count += len(job.media)
        if file_count > FILES_MAX:
            raise TooManyJobs(
                f"more than {FILES_MAX:,} files match: narrow the filter with `since` and `until`"
            )
    return names


def _names_of_job(job: Job) -> list[str]:
    names = []
    for number, file in enumerate(job.media):
        extension = file.key.rpartition(".")[2]
        names.append(f"{job.id}-{number}.{extension}")
    return names


def require_speed(chunks: Iterable[bytes]) -> Iterator[bytes]:
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
