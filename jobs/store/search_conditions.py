"""Search of jobs: the indexes of a job, and conditions that they answer.

A job is indexed by its model, source, API key, the job it repeats, and short scalar metadata
entries.
"""

import json
from collections.abc import Iterable, Iterator
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
        yield key_facet(job.request.key, job.status)
    if job.metadata:
        yield from _metadata_facets(job)


def _metadata_facets(job: Job) -> Iterator[str]:
    """The indexes of the first short scalar entries, and one for jobs that have further entries."""
    entries_indexed = 0
    has_unindexed_entry = False
    for name, value in job.metadata.items():
        text = as_text(value)
        if text is None:
            continue
        entry = f"{name}={text}"
        if len(entry) <= FACET_MAX_CHARS and entries_indexed < METADATA_FACETS_MAX:
            entries_indexed += 1
            yield keys.BY_META + entry
        else:
            has_unindexed_entry = True
    if has_unindexed_entry:
        yield keys.BY_UNINDEXED


def key_facet(name: str, status: Status) -> str:
    """The index of the jobs of an API key in a status."""
    return f"{keys.BY_KEY}{name}:{status}"


def possible_facets(job: Job) -> Iterator[str]:
    """The search indexes that a job may belong to after a later change of its record."""
    yield from facets(job)
    for source in Source:
        yield keys.BY_SOURCE + source
    if job.request.key:
        yield from _key_facets(job.request.key, tuple(Status))
    yield keys.BY_UNINDEXED


def _key_facets(name: str, statuses: Iterable[Status]) -> Group:
    return tuple(key_facet(name, status) for status in statuses)


def seed_of(job: Job) -> int | None:
    """The seed that BFL took, else the caller's."""
    public_input = job.request.public_input or {}
    seed = job.result.get("seed", public_input.get("seed"))
    if type(seed) is not int:  # a bool is no seed
        return None
    return seed


def as_text(value: Any) -> str | None:
    """A scalar as search text: a string unchanged, others as JSON; None for lists and objects."""
    if isinstance(value, str):
        return value
    if isinstance(value, dict | list | tuple):
        return None
    return json.dumps(value)


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
    owner: str | None = None  # the API key whose jobs alone may be read

    @property
    def is_indexed(self) -> bool:
        """Whether the sets of the only group hold just what matches."""
        if self.metadata or self.reads_records:
            return False
        if self.owner is None:
            return True
        # The only group is that of the owner: it bounds by status and by nothing else.
        conditions = (self.model, self.source, self.repeats, self.key)
        return conditions == (None, None, None, None)

    @property
    def reads_records(self) -> bool:
        """Whether Redis has no index of a condition, and rows have one."""
        return (self.words, self.seed, self.sha256) != (None, None, None)

    def groups(self) -> list[Group]:
        """Groups of sorted sets; a matching job is in at least one set of each group."""
        statuses = self.statuses or tuple(Status)
        if self.owner is not None:  # where a page ends must not tell of other jobs
            return [_key_facets(self.owner, statuses)]
        groups: list[Group] = []
        for name, text in self.metadata:
            # The entry may be one that is not indexed; this finds jobs that do not match as well.
            groups.append((f"{keys.BY_META}{name}={text}", keys.BY_UNINDEXED))
        if self.model is not None:
            groups.append((keys.BY_MODEL + self.model,))
        if self.source is not None:
            groups.append((keys.BY_SOURCE + self.source,))
        if self.repeats is not None:
            groups.append((keys.BY_REPEATS + self.repeats,))
        if self.key is not None:
            groups.append(_key_facets(self.key, statuses))
        elif self.statuses or not groups:
            groups.append(tuple(keys.STATUS_PREFIX + status for status in statuses))
        return groups

    def required_texts(self) -> tuple[bytes, ...]:
        """Texts in the JSON of each match, in small letters, if all of it is ASCII."""
        texts: list[bytes] = []
        if self.words is not None:
            for phrase in search_words.phrases(self.words):
                texts += [word.encode() for word in phrase.split() if word.isascii()]
        if self.seed is not None:
            texts.append(str(self.seed).encode())
        if self.sha256:
            texts.append(self.sha256.encode())
        return tuple(texts)

    def matches(self, job: Job) -> bool:
        """Whether a record matches; an index can be a moment older than the record."""
        return (
            (not self.statuses or job.status in self.statuses)
            and self.model in (None, job.model)
            and self.source in (None, job.source)
            and self.repeats in (None, job.request.repeats)
            and (self.since is None or job.created_at >= self.since)
            and (self.until is None or job.created_at < self.until)
            and self._matches_metadata(job)
            and self.seed in (None, seed_of(job))
            and self._matches_a_file(job)
            and self.key in (None, job.request.key)
            and self.owner in (None, job.request.key)
            and (self.words is None or search_words.matches(job, self.words))
        )

    def _matches_metadata(self, job: Job) -> bool:
        return all(
            name in job.metadata and as_text(job.metadata[name]) == text
            for name, text in self.metadata
        )

    def _matches_a_file(self, job: Job) -> bool:
        if self.sha256 is None:
            return True
        return self.sha256 in [file.sha256 for file in job.media]
