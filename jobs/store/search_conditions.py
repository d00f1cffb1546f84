"""Search of jobs: the indexes of a job, and conditions that they answer.

A job is indexed by its model, source, API key, the job it repeats, and short scalar metadata
entries.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from pydantic import ConfigDict

from jobs import search_words
from jobs.domain.job import Job
from jobs.domain.status import Source, Status
from jobs.store.redis import keys

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
    if job.request.key:
        yield of_key(job.request.key, job.status)
    texts = {name: as_text(value) for name, value in job.metadata.items()}
    scalars = [f"{name}={text}" for name, text in texts.items() if text is not None]
    short = [pair for pair in scalars if len(pair) <= FACET_MAX_CHARS][:METADATA_FACETS_MAX]
    yield from (keys.BY_META + pair for pair in short)
    if len(short) < len(scalars):
        yield keys.BY_UNINDEXED


def of_key(name: str, status: Status) -> str:
    """The index of the jobs of an API key in a status."""
    return f"{keys.BY_KEY}{name}:{status}"


def possible_facets(job: Job) -> Iterator[str]:
    """The search indexes that a job may belong to after a later change of its record."""
    yield from facets(job)
    yield from (keys.BY_SOURCE + source for source in Source)
    if job.request.key:
        yield from (of_key(job.request.key, status) for status in Status)
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

    # A batch whose filter has a condition of a later release must not be taken for a larger one.
    __pydantic_config__ = ConfigDict(extra="forbid")

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
    owner: str | None = None  # the same, where only its jobs may be read at all

    @property
    def is_indexed(self) -> bool:
        """Whether the sets of the only group hold just what matches."""
        others: list[Any] = [self.words, self.seed, self.sha256]
        if self.owner is not None:
            others += [self.model, self.source, self.repeats, self.key]
        return not self.metadata and others == [None] * len(others)

    @property
    def reads_records(self) -> bool:
        """Whether Redis has no index of a condition, and rows have one."""
        return (self.words, self.seed, self.sha256) != (None, None, None)

    def groups(self) -> list[Group]:
        """Groups of sorted sets; a matching job is in at least one set of each group."""
        statuses = self.statuses or tuple(Status)
        if self.owner is not None:  # where a page ends must not tell of other jobs
            return [tuple(of_key(self.owner, status) for status in statuses)]
        # An entry may be one that is not indexed; other jobs are found as well.
        pairs = (f"{name}={text}" for name, text in self.metadata)
        found: list[Group] = [(keys.BY_META + pair, keys.BY_UNINDEXED) for pair in pairs]
        if self.model is not None:
            found.append((keys.BY_MODEL + self.model,))
        if self.source is not None:
            found.append((keys.BY_SOURCE + self.source,))
        if self.repeats is not None:
            found.append((keys.BY_REPEATS + self.repeats,))
        if self.key is not None:
            found.append(tuple(of_key(self.key, status) for status in statuses))
        elif self.statuses or not found:
            found.append(tuple(keys.STATUS_PREFIX + status for status in statuses))
        return found

    def required_texts(self) -> tuple[bytes, ...]:
        """Texts in the JSON of each match, in small letters, if all of it is ASCII."""
        words = search_words.phrases(self.words) if self.words is not None else ()
        texts = [word for phrase in words for word in phrase.split() if word.isascii()]
        texts += [] if self.seed is None else [str(self.seed)]
        return tuple(text.encode() for text in [*texts, *filter(None, [self.sha256])])

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
            and self.owner in (None, job.request.key)
            and (self.words is None or search_words.matches(job, self.words))
        )
