"""Serialization of job records: `<version> <format> <JSON>`, fields at their defaults left out.

Records of ended jobs are compressed: they are stored for weeks and rarely read.
"""

import zlib
from dataclasses import fields
from functools import lru_cache
from typing import Any

from pydantic import TypeAdapter, ValidationError
from pydantic_core import from_json, to_json

from jobs.domain.errors import UnreadableRecord
from jobs.domain.job import Job
from jobs.domain.job_record import Claim, Evolving, Polling, Request, Submission

ADAPTER = TypeAdapter(Job)
# Earlier versions wrote no format: one of them that meets this one calls the record unreadable,
# where it would otherwise drop the fields that it does not know.
_FORMAT = b"2 "
_BRACE = b"{"
RECORDS_CACHED = 256  # about 1.5 MiB


def encode(job: Job, version: int) -> bytes:
    """A record; the scripts compare its version and read nothing else of it."""
    body = ADAPTER.dump_json(job, exclude_defaults=True, exclude={"version"})
    return b"%d %b%b" % (version, _FORMAT, zlib.compress(body) if job.status.terminal else body)


def decode(record: bytes) -> Job:
    """The job in a record. Raises UnreadableRecord."""
    version, _, rest = record.partition(b" ")
    is_current, body = rest.startswith(_FORMAT), rest.removeprefix(_FORMAT)
    try:
        text = body if body.startswith(_BRACE) else zlib.decompress(body)
        text = text if is_current else to_json(_from_format_1(from_json(text)))
        return ADAPTER.validate_json(text).evolve(version=int(version))
    except (ValidationError, ValueError, zlib.error):
        raise UnreadableRecord from None


def _from_format_1(record: dict[str, Any]) -> dict[str, Any]:
    """Divide the parts `check` and `submission` as they are now. Raises ValueError."""
    try:
        check, submission = record.pop("check", {}), record.pop("submission", {})
        deletes_input = submission.pop("forgets_input", False)
        return record | {
            "is_submission": "queued_at" in submission,
            "ended_at": check.get("ended_at"),
            "polling": _fields_of(Polling, check),
            "claim": _fields_of(Claim, check),
            "submission": _fields_of(Submission, submission),
            "request": _fields_of(Request, check | submission) | {"deletes_input": deletes_input},
        }
    except (AttributeError, TypeError):
        raise ValueError("no record") from None


def _fields_of(part: type[Evolving], values: dict[str, Any]) -> dict[str, Any]:
    names = {field.name for field in fields(part)}  # type: ignore[arg-type]
    return {name: value for name, value in values.items() if name in names}


@lru_cache(maxsize=RECORDS_CACHED)  # lists are read again and again; a Job never changes
def decode_if_readable(record: bytes) -> Job | None:
    """The job in a record; None where a broken record must not hide the others."""
    try:
        return decode(record)
    except UnreadableRecord:
        return None
