"""How a job is written down: its version in front, then JSON without what is at its default."""

from dataclasses import replace

from pydantic import TypeAdapter, ValidationError

from jobs.errors import BrokenRecord
from jobs.job import Job

_ADAPTER = TypeAdapter(Job)


def encode(job: Job, version: int) -> bytes:
    """`<version> <json>`; the version is what a concurrent writer is compared by."""
    body = _ADAPTER.dump_json(job, exclude_defaults=True, exclude={"version"})
    return b"%d %b" % (version, body)


def decode(record: bytes) -> Job:
    """The job in a record. Raises BrokenRecord."""
    version, _, body = record.partition(b" ")
    try:
        return replace(_ADAPTER.validate_json(body), version=int(version))
    except (ValidationError, ValueError):
        raise BrokenRecord from None
