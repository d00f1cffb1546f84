"""Serialization of job records: `<version> <format> <JSON>`, fields at their defaults left out.

Records of ended jobs are compressed: they are stored for weeks and rarely read.
"""

import zlib
from functools import lru_cache

from pydantic import TypeAdapter, ValidationError

from jobs.domain.errors import UnreadableRecord
from jobs.domain.job import Job

ADAPTER = TypeAdapter(Job)
# A version that does not know the format calls the record unreadable: it would otherwise write it
# back without the fields that it does not know.
_FORMAT = b"2 "
_BRACE = b"{"
RECORDS_CACHED = 256  # about 1.5 MiB


def encode(job: Job, version: int) -> bytes:
    """A record; the scripts compare its version and read nothing else of it."""
    body = ADAPTER.dump_json(job, by_alias=True, exclude_defaults=True, exclude={"version"})
    if job.status.terminal:
        body = zlib.compress(body)
    return b"%d %b%b" % (version, _FORMAT, body)


def decode(record: bytes) -> Job:
    """The job in a record. Raises UnreadableRecord."""
    version, _, formatted_body = record.partition(b" ")
    if not formatted_body.startswith(_FORMAT):
        raise UnreadableRecord
    try:
        json_text = _decompressed(formatted_body.removeprefix(_FORMAT))
        return ADAPTER.validate_json(json_text).evolve(version=int(version))
    except (ValidationError, ValueError, zlib.error):
        raise UnreadableRecord from None


def text_of(record: bytes) -> bytes:
    """The JSON of a record; empty if it is unreadable."""
    _, _, formatted_body = record.partition(b" ")
    try:
        return _decompressed(formatted_body.removeprefix(_FORMAT))
    except zlib.error:
        return b""


def _decompressed(body: bytes) -> bytes:
    if body.startswith(_BRACE):
        return body
    return zlib.decompress(body)


@lru_cache(maxsize=RECORDS_CACHED)  # lists are read again and again; a Job never changes
def decode_if_readable(record: bytes) -> Job | None:
    """The job in a record; None where a broken record must not hide the others."""
    try:
        return decode(record)
    except UnreadableRecord:
        return None
