"""How a job is written down: its version in front, then JSON without what is at its default.

Most records are of jobs that have ended, and are hardly read any more: these are packed.
What a later release has written into a record is kept as it is, so that two releases can work
side by side; deploy/UPGRADING.md says what each may change.
"""

import json
import zlib
from dataclasses import fields
from typing import Any

from pydantic import TypeAdapter, ValidationError

from jobs.errors import BrokenRecord
from jobs.evolution import replace
from jobs.job import Job
from jobs.wording import WORDS

_ADAPTER = TypeAdapter(Job)
_FIELDS = frozenset(one.name for one in fields(Job)) - {"version", "unknown"}
_UNKNOWN = "unexpected_keyword_argument"  # pydantic's name for it, of a dataclass
_PACKED = b"z"  # where JSON begins with a brace
_WINDOW_BITS = -13  # raw, and larger than nearly every record
_MEMORY_LEVEL = 6


def encode(job: Job, version: int) -> bytes:
    """`<version> <json>`, or `<version> z<json, deflated>` once it has ended.

    The version is what a concurrent writer is compared by.
    """
    body = _ADAPTER.dump_json(job, exclude_defaults=True, exclude={"version", "unknown"})
    if job.unknown:
        body = json.dumps(json.loads(body) | job.unknown, separators=(",", ":")).encode()
    return b"%d %b" % (version, _packed(body) if job.state.terminal else body)


def _packed(body: bytes) -> bytes:
    press = zlib.compressobj(6, zlib.DEFLATED, _WINDOW_BITS, _MEMORY_LEVEL, zdict=WORDS)
    return _PACKED + press.compress(body) + press.flush()


def decode(record: bytes) -> Job:
    """The job in a record. Raises BrokenRecord."""
    version, _, body = record.partition(b" ")
    try:
        return replace(_read(_unpacked(body)), version=int(version))
    except (ValidationError, ValueError, zlib.error):
        raise BrokenRecord from None


def _unpacked(body: bytes) -> bytes:
    if not body.startswith(_PACKED):
        return body
    return zlib.decompressobj(_WINDOW_BITS, zdict=WORDS).decompress(body[len(_PACKED) :])


def _read(body: bytes) -> Job:
    """Looked through a second time only when there is something in it that nobody here knows."""
    try:
        return _ADAPTER.validate_json(body, extra="forbid")
    except ValidationError as error:
        if not any(problem["type"] == _UNKNOWN for problem in error.errors(include_url=False)):
            raise
    said: Any = json.loads(body)
    unknown = {name: value for name, value in said.items() if name not in _FIELDS}
    return replace(_ADAPTER.validate_json(body, extra="ignore"), unknown=unknown)
