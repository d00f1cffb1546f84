"""Which jobs somebody looks for: every condition has to hold."""

from dataclasses import dataclass

from jobs.job import Job
from jobs.status import Source, Status
from jobs.store.keys import BY_MODEL, BY_SOURCE, STATUS_PREFIX
from jobs.store.search_indexes import has_metadata, with_metadata

Group = tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Search:
    """What is not said does not matter. `since` is included and `until` is not, by creation."""

    statuses: tuple[Status, ...] = ()
    model: str | None = None
    source: Source | None = None
    since: float | None = None
    until: float | None = None
    metadata: tuple[tuple[str, str], ...] = ()

    def groups(self) -> list[Group]:
        """Sorted sets: whatever fits is in at least one set of each group."""
        found = [with_metadata(name, text) for name, text in self.metadata]
        if self.model is not None:
            found.append((BY_MODEL + self.model,))
        if self.source is not None:
            found.append((BY_SOURCE + self.source,))
        if self.statuses or not found:
            found.append(tuple(STATUS_PREFIX + status for status in self.statuses or Status))
        return found

    def fits(self, job: Job) -> bool:
        """By the record: a set can be a moment older than it."""
        return (
            (not self.statuses or job.status in self.statuses)
            and self.model in (None, job.model)
            and self.source in (None, job.source)
            and (self.since is None or job.created_at >= self.since)
            and (self.until is None or job.created_at < self.until)
            and all(has_metadata(job, name, text) for name, text in self.metadata)
        )
