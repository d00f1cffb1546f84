"""Search conditions for jobs, and the indexes that answer them."""

from dataclasses import dataclass

from jobs.job import Job
from jobs.status import Source, Status
from jobs.store.keys import BY_MODEL, BY_REPEATS, BY_SOURCE, STATUS_PREFIX
from jobs.store.search_indexes import has_metadata, with_metadata

Group = tuple[str, ...]


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

    def groups(self) -> list[Group]:
        """Groups of sorted sets; a matching job is in at least one set of each group."""
        found = [with_metadata(name, text) for name, text in self.metadata]
        if self.model is not None:
            found.append((BY_MODEL + self.model,))
        if self.source is not None:
            found.append((BY_SOURCE + self.source,))
        if self.repeats is not None:
            found.append((BY_REPEATS + self.repeats,))
        if self.statuses or not found:
            found.append(tuple(STATUS_PREFIX + status for status in self.statuses or Status))
        return found

    def matches(self, job: Job) -> bool:
        """Whether a record matches; an index can be a moment older than the record."""
        return (
            (not self.statuses or job.status in self.statuses)
            and self.model in (None, job.model)
            and self.source in (None, job.source)
            and self.repeats in (None, job.submission.repeats)
            and (self.since is None or job.created_at >= self.since)
            and (self.until is None or job.created_at < self.until)
            and all(has_metadata(job, name, text) for name, text in self.metadata)
        )
