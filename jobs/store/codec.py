"""Serialization of job records: `<version> <JSON>`, fields at their defaults left out.

Records of ended jobs are compressed: they are stored for weeks and rarely read.
"""

import zlib
from functools import lru_cache

from pydantic import TypeAdapter, ValidationError

from jobs.domain.errors import UnreadableRecord
from jobs.domain.job import Job

ADAPTER = TypeAdapter(Job)
_BRACE = b"{"
RECORDS_CACHED = 256  # about 1.5 MiB


def encode(job: Job, version: int) -> bytes:
    """A record; the scripts compare its version and read nothing else of it."""
    body = ADAPTER.dump_json(job, exclude_defaults=True, exclude={"version"})
    return b"%d %b" % (version, zlib.compress(body) if job.status.terminal else body)


def decode(record: bytes) -> Job:
    """The job in a record. Raises UnreadableRecord."""
    version, _, body = record.partition(b" ")
    try:
        text = body if body.startswith(_BRACE) else zlib.decompress(body)
        return ADAPTER.validate_json(text).evolve(version=int(version))
    except (ValidationError, ValueError, zlib.error):
        raise UnreadableRecord from None


@lru_cache(maxsize=RECORDS_CACHED)  # lists are read again and again; a Job never changes
def decode_if_readable(record: bytes) -> Job | None:
    """The job in a record; None where a broken record must not hide the others."""
    try:
        return decode(record)
    except UnreadableRecord:
        return None
