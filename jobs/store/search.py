"""Search of jobs: the indexes of a job, and conditions that they answer.

A job is indexed by its model, source, the job it repeats, and short scalar metadata entries.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from jobs import words
from jobs.domain.job import Job
from jobs.domain.status import Source, Status
from jobs.store import keys

Group = tuple[str, ...]

# Each entry costs Redis about 100 bytes for as long as the job is kept.
METADATA_FACETS_MAX = 4
FACET_MAX_CHARS = 128


def facets(job: Job) -> Iterator[str]:
    """The search indexes that a job belongs to."""
    if job.model:
        yield keys.BY_MODEL + job.model
    if job.source:
        yield keys.BY_SOURCE + job.source
    if job.request.repeats:
        yield keys.BY_REPEATS + job.request.repeats
    if job.metadata:
        yield from _of_metadata(job)


def _of_metadata(job: Job) -> Iterator[str]:
    texts = {name: as_text(value) for name, value in job.metadata.items()}
    scalars = [f"{name}={text}" for name, text in texts.items() if text is not None]
    short = [pair for pair in scalars if len(pair) <= FACET_MAX_CHARS][:METADATA_FACETS_MAX]
    yield from (keys.BY_META + pair for pair in short)
    if len(short) < len(scalars):
        yield keys.BY_UNINDEXED


def possible_facets(job: Job) -> Iterator[str]:
    """The search indexes that a job may belong to after a later change of its record."""
    yield from facets(job)
    yield from (keys.BY_SOURCE + source for source in Source)
    yield keys.BY_UNINDEXED


def seed_of(job: Job) -> int | None:
    """The seed that BFL took, else the caller's."""
    found = job.result.get("seed", (job.request.public_input or {}).get("seed"))
    return found if type(found) is int else None


def as_text(value: Any) -> str | None:
    """A scalar as search text: a string unchanged, others as JSON; None for lists and objects."""
    if isinstance(value, str):
        return value
    return None if isinstance(value, dict | list | tuple) else json.dumps(value)


@dataclass(frozen=True, slots=True, kw_only=True)
class Search:
    """Conditions that must all hold; None or empty matches every job.

    `since` (inclusive) and `until` (exclusive) bound the creation time, in unix seconds.
    """

    statuses: tuple[Status, ...] = ()
    model: str | None = None
    source: Source | None = None
    since: float | None = None
    until: float | None = None
    repeats: str | None = None
    metadata: tuple[tuple[str, str], ...] = ()
    words: str | None = None  # as somebody typed them
    seed: int | None = None
    sha256: str | None = None  # of a file of the result
    key: str | None = None  # name of the API key

    @property
    def is_indexed(self) -> bool:
        """Whether Redis has an index for each of the conditions."""
        others = (self.words, self.seed, self.sha256, self.key)
        return not self.metadata and others == (None,) * len(others)

    def groups(self) -> list[Group]:
        """Groups of sorted sets; a matching job is in at least one set of each group."""
        # An entry may be one that is not indexed; other jobs are found as well.
        pairs = (f"{name}={text}" for name, text in self.metadata)
        found: list[Group] = [(keys.BY_META + pair, keys.BY_UNINDEXED) for pair in pairs]
        if self.model is not None:
            found.append((keys.BY_MODEL + self.model,))
        if self.source is not None:
            found.append((keys.BY_SOURCE + self.source,))
        if self.repeats is not None:
            found.append((keys.BY_REPEATS + self.repeats,))
        if self.statuses or not found:
            found.append(tuple(keys.STATUS_PREFIX + status for status in self.statuses or Status))
        return found

    def matches(self, job: Job) -> bool:
        """Whether a record matches; an index can be a moment older than the record."""
        return (
            (not self.statuses or job.status in self.statuses)
            and self.model in (None, job.model)
            and self.source in (None, job.source)
            and self.repeats in (None, job.request.repeats)
            and (self.since is None or job.created_at >= self.since)
            and (self.until is None or job.created_at < self.until)
            and all(
                name in job.metadata and as_text(job.metadata[name]) == text
                for name, text in self.metadata
            )
            and self.seed in (None, seed_of(job))
            and self.sha256 in (None, *(file.sha256 for file in job.media))
            and self.key in (None, job.request.key)
            and (self.words is None or words.matches(job, self.words))
        )
