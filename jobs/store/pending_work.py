"""Pending work, as the scripts of the store answer it: jobs that are due, and jobs that wait."""

from dataclasses import dataclass
from typing import NamedTuple


class PendingWork(NamedTuple):
    """Ids of jobs that wait for a worker, most urgent first, and the record of the first."""

    ids: tuple[str, ...]
    record: bytes | None


@dataclass(frozen=True, slots=True)
class Due:
    """Jobs to check now, and pending jobs for which RQ has no job."""

    now: float
    ids: tuple[str, ...]
    without_rq_job: tuple[str, ...]
    rq_jobs: int  # length of RQ's queue
    next_at: float | None
