"""What the store finds and leaves, and what goes with a change."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import NamedTuple

from jobs.job import Job

NO_COUNTS: Mapping[str, int] = MappingProxyType({})


class Change(NamedTuple):
    """What a compare-and-set found and left; the same object twice when nothing was written."""

    before: Job | None
    after: Job | None

    @property
    def written(self) -> bool:
        return self.after is not self.before


@dataclass(frozen=True, slots=True)
class Due:
    """What the sweep finds: job ids that are due, waiting ids that RQ has no entry for."""

    now: float
    ids: tuple[str, ...]
    without_rq_job: tuple[str, ...]
    rq_jobs: int  # that RQ has already
    next_at: float | None


class CommitOptions(NamedTuple):
    """What goes with a change, whatever it is tried on."""

    counts: Mapping[str, int]
    submission: bytes | None = None
    unless_deleted: bool = False
    takes_rq_job: bool = False


class PendingWork(NamedTuple):
    """Who waits for a worker, most urgent first, and the record of the first."""

    ids: tuple[str, ...]
    record: bytes | None
