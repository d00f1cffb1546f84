"""Search indexes of a job: model, source, the job it repeats, short scalar metadata entries."""

import json
from collections.abc import Iterator
from typing import Any

from jobs.job import Job
from jobs.status import Source
from jobs.store.keys import BY_META, BY_MODEL, BY_REPEATS, BY_SOURCE, BY_UNINDEXED

# Each entry costs Redis about 100 bytes for as long as the job is kept.
METADATA_FACETS_MAX = 4
FACET_MAX_CHARS = 128


def facets(job: Job) -> Iterator[str]:
    """The search indexes that a job belongs to."""
    if job.model:
        yield BY_MODEL + job.model
    if job.source:
        yield BY_SOURCE + job.source
    if job.submission.repeats:
        yield BY_REPEATS + job.submission.repeats
    if job.metadata:
        yield from _of_metadata(job)


def _of_metadata(job: Job) -> Iterator[str]:
    scalars = [pair for name, value in job.metadata.items() if (pair := _pair(name, value))]
    short = [pair for pair in scalars if len(pair) <= FACET_MAX_CHARS][:METADATA_FACETS_MAX]
    yield from (BY_META + pair for pair in short)
    if len(short) < len(scalars):
        yield BY_UNINDEXED


def possible_facets(job: Job) -> Iterator[str]:
    """The search indexes that a job may belong to after a later change of its record."""
    yield from facets(job)
    yield from (BY_SOURCE + source for source in Source)
    yield BY_UNINDEXED


def with_metadata(name: str, text: str) -> tuple[str, ...]:
    """The sets that together hold every job with this entry; they hold others as well."""
    return BY_META + f"{name}={text}", BY_UNINDEXED


def has_metadata(job: Job, name: str, text: str) -> bool:
    return name in job.metadata and as_text(job.metadata[name]) == text


def as_text(value: Any) -> str | None:
    """A scalar as search text: a string unchanged, others as JSON; None for lists and objects."""
    if isinstance(value, str):
        return value
    return None if isinstance(value, dict | list | tuple) else json.dumps(value)


def _pair(name: str, value: Any) -> str | None:
    text = as_text(value)
    return None if text is None else f"{name}={text}"
