"""How a job is written down: its version in front, then JSON without what is at its default.

Most records are of jobs that have ended, and are hardly read any more: these are packed.
"""

import json
import zlib
from typing import Any

from pydantic import TypeAdapter, ValidationError

from jobs.errors import BrokenRecord
from jobs.evolution import replace
from jobs.job import Job
from jobs.target import Target
from jobs.wording import WORDS

_ADAPTER = TypeAdapter(Job)
_PACKED = b"z"  # where JSON begins with a brace
_WINDOW_BITS = -13  # raw, and larger than nearly every record
_MEMORY_LEVEL = 6


def encode(job: Job, version: int) -> bytes:
    """`<version> <json>`, or `<version> z<json, deflated>` once it has ended.

    The version is what a concurrent writer is compared by.
    """
    body = _ADAPTER.dump_json(job, exclude_defaults=True, exclude={"version"})
    return b"%d %b" % (version, _packed(body) if job.state.terminal else body)


def _packed(body: bytes) -> bytes:
    press = zlib.compressobj(6, zlib.DEFLATED, _WINDOW_BITS, _MEMORY_LEVEL, zdict=WORDS)
    return _PACKED + press.compress(body) + press.flush()


def decode(record: bytes) -> Job:
    """The job in a record. Raises BrokenRecord."""
    version, _, body = record.partition(b" ")
    try:
        return replace(_ADAPTER.validate_json(_of_today(_unpacked(body))), version=int(version))
    except (ValidationError, ValueError, zlib.error):
        raise BrokenRecord from None


def _unpacked(body: bytes) -> bytes:
    if not body.startswith(_PACKED):
        return body
    return zlib.decompressobj(_WINDOW_BITS, zdict=WORDS).decompress(body[len(_PACKED) :])


def _of_today(body: bytes) -> bytes:
    """Before there were notices, a record said only when to call a client's webhook."""
    if b'"tell_at":' not in body:
        return body
    said: Any = json.loads(body)
    if not isinstance(said, dict) or "tell_at" not in said:
        return body
    at, tries = said.pop("tell_at"), said.pop("told", 0)
    notice = {"to": Target.CALLER, "since": said.get("updated_at"), "at": at, "tries": tries}
    return json.dumps(said | {"notices": [notice]}).encode()
