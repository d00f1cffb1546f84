"""Inputs stored as web processes store them, for jobs that no request made."""

import json
from collections.abc import Mapping
from typing import Any

from jobs import kept_inputs
from jobs.domain.job import Job
from jobs.input_parts import JsonBody, opened
from jobs.services import Services
from jobs.storage.base import MediaStorage
from jobs.store.redis.keys import INPUT_NOTES

LIMIT_BYTES = 32 * 2**20


def with_input(storage: MediaStorage, job: Job, given: Mapping[str, Any]) -> Job:
    """The job with this input, whose objects are stored."""
    packed = kept_inputs.pack(given, LIMIT_BYTES)
    files = packed.files(job.id, job.created_at)
    for part, file in zip(packed.parts, files, strict=True):
        part.store(storage, file.key)
    return job.with_request(kept_input=packed.values, input_files=files)


def sent(storage: MediaStorage, job: Job) -> dict[str, Any]:
    """The input as a worker sends it to BFL."""
    values = kept_inputs.load(storage, job)
    assert values is not None
    with opened(storage, values) as files:
        stream = JsonBody(values, files)
        body = b"".join(stream)
    assert len(stream) == len(body)
    found: dict[str, Any] = json.loads(body)
    return found


def objects(services: Services) -> list[str]:
    return [found.key for found in services.storage.list_objects()]


def notes(services: Services) -> list[str]:
    """Inputs whose objects may have no record, or are to be deleted."""
    found: Any = services.redis.zrange(INPUT_NOTES, 0, -1)
    return [note.decode() for note in found]
