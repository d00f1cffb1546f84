"""Content of a ZIP file of many jobs, read from the storage while it is sent."""

import errno
import hashlib
import logging
import zipfile
from collections.abc import Iterator

from pydantic_core import to_json
from zipstream import ZipStream

from jobs import sidecars
from jobs.domain.errors import FluxkeepError
from jobs.domain.job import Job
from jobs.domain.job_record import MediaFile
from jobs.services import Services
from jobs.storage.base import MediaStorage
from receiver.blocking_calls import run_in_thread

PAGE_JOBS = 50
# Deflation with level 0 changes no byte. A reader of a stream finds the end of a deflated entry; a
# stored entry would need its size and its CRC before its bytes.
DEFLATED = zipfile.ZIP_DEFLATED
UNCOMPRESSED = 0

log = logging.getLogger(__name__)


class CheckedFile:
    """The bytes of a stored file, counted and hashed as they are read."""

    def __init__(self, file: MediaFile, chunks: Iterator[bytes]) -> None:
        self._file = file
        self._chunks = chunks
        self._digest = hashlib.sha256()
        self._bytes = 0
        self._first_chunk = run_in_thread(self._read)

    def _read(self) -> bytes:
        """Read the next chunk, no byte beyond the recorded size."""
        chunk = bytes(next(self._chunks, b""))
        self._bytes += len(chunk)
        self._digest.update(chunk)
        excess_bytes = max(self._bytes - self._file.bytes, 0)
        return chunk[: len(chunk) - excess_bytes]

    def __iter__(self) -> Iterator[bytes]:
        chunk = self._first_chunk
        while chunk:
            yield chunk
            chunk = run_in_thread(self._read)

    @property
    def is_intact(self) -> bool:
        """Whether the bytes that were read have the recorded size and SHA-256."""
        has_size = self._bytes == self._file.bytes
        return has_size and self._digest.hexdigest() == self._file.sha256


class ZipContent:
    """The bytes of a ZIP file; holds a chunk, and the records of a few jobs.

    `names` has the names of the files in the ZIP file, by the id of their job.
    """

    def __init__(
        self,
        services: Services,
        names: dict[str, list[str]],
        owner: str | None,
        *,
        with_input: bool,
    ) -> None:
        self._services = services
        self._names = names
        self._owner = owner  # the API key whose jobs alone are given; None: of all keys
        self._with_input = with_input
        self._zip = ZipStream(compress_type=DEFLATED, compress_level=UNCOMPRESSED)
        self._missing: list[str] = []  # lines of MISSING.txt

    def __iter__(self) -> Iterator[bytes]:
        try:
            yield from self._all_files()
            self._add_missing_names()
            yield from self._zip.finalize()
        except FluxkeepError as error:
            log.warning("download of many files: %s", error)
            # gunicorn treats this error as a closed connection: the client has no whole file.
            raise ConnectionResetError(errno.ECONNRESET, "storage failed") from None

    def _all_files(self) -> Iterator[bytes]:
        ids = list(self._names)
        for start in range(0, len(ids), PAGE_JOBS):
            page_ids = ids[start : start + PAGE_JOBS]
            jobs = self._services.catalog.load_many(page_ids)
            for job_id in page_ids:
                job = jobs.get(job_id)
                if job and self._is_visible(job):
                    yield from self._files_of(job)
                else:
                    self._missing += self._names[job_id]

    def _is_visible(self, job: Job) -> bool:
        """Whether the job belongs to the owner: another key may have made a new job of this id."""
        return self._owner is None or self._owner == job.request.key

    def _files_of(self, job: Job) -> Iterator[bytes]:
        for number, name in enumerate(self._names[job.id]):
            if number >= len(job.media):
                self._missing.append(name)
                continue
            file = job.media[number]
            checked_file = _open(self._services.storage, file)
            if checked_file is None:
                self._missing.append(name)
                continue
            self._zip.add(checked_file, name, size=file.bytes)
            description = _description(job, with_input=self._with_input)
            self._zip.add(description, f"{job.id}-{number}.json")
            yield from self._zip.all_files()
            if not checked_file.is_intact:
                log.warning("job %s: %s is damaged", job.id, file.key)
                reason = "damaged, these are not the bytes that were stored"
                self._missing.append(f"{name}: {reason}")

    def _add_missing_names(self) -> None:
        """Add MISSING.txt if a file is missing, or if the ZIP file has none.

        Many programs take an empty ZIP file for a broken one.
        """
        if self._missing:
            lines = [f"{line}\n" for line in self._missing]
            self._zip.add("".join(lines), "MISSING.txt")
        elif not any(self._names.values()):
            self._zip.add("No file matches.\n", "MISSING.txt")


def _open(storage: MediaStorage, file: MediaFile) -> CheckedFile | None:
    """A file, of which the first chunk is read; None if it is gone. Raises StorageError."""
    if file.deleted_at is not None or run_in_thread(storage.size, file.key) is None:
        return None
    return CheckedFile(file, storage.read(file.key))


def _description(job: Job, *, with_input: bool) -> bytes:
    """The sidecar's JSON; only keys of scope `submit` get the input, as in the API."""
    document = sidecars.document(job)
    if not with_input:
        document = {name: document[name] for name in document if not name.startswith("input")}
    return to_json(document, indent=2) + b"\n"
