"""How a job is written down: its version in front, then JSON without what is at its default."""

import json
from dataclasses import replace
from typing import Any

from pydantic import TypeAdapter, ValidationError

from jobs.errors import BrokenRecord
from jobs.job import Job
from jobs.target import Target

_ADAPTER = TypeAdapter(Job)


def encode(job: Job, version: int) -> bytes:
    """`<version> <json>`; the version is what a concurrent writer is compared by."""
    body = _ADAPTER.dump_json(job, exclude_defaults=True, exclude={"version"})
    return b"%d %b" % (version, body)


def decode(record: bytes) -> Job:
    """The job in a record. Raises BrokenRecord."""
    version, _, body = record.partition(b" ")
    try:
        return replace(_ADAPTER.validate_json(_of_today(body)), version=int(version))
    except (ValidationError, ValueError):
        raise BrokenRecord from None


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
