"""The jobs of a batch: those of a search, counted before anything is done to them."""

import math
import time
from dataclasses import replace

from jobs.domain.errors import CountChanged, CountRequired, InvalidField, TooManyJobs
from jobs.domain.job import Job
from jobs.domain.status import REPLAYABLE
from jobs.services import Services
from jobs.store.batch_actions import Action, Batch
from jobs.store.search_conditions import Search

JOBS_MAX = 100_000
COUNT_SECONDS = 20.0  # routers close a connection that is silent for longer
PAGE = 200


def begin(
    services: Services, action: Action, search: Search, count: int | None, key: str | None
) -> Batch:
    """Have the sweep act on all jobs of a search, if they are as many as the caller was told.

    Raises CountRequired, CountChanged, TooManyJobs, QueueFull, and InvalidField for a status whose
    jobs cannot be replayed.
    """
    now = services.store.now()
    # To the millisecond, as callers read it.
    until = min(math.inf if search.until is None else search.until, math.floor(now * 1000) / 1000)
    statuses = search.statuses
    if action is not Action.DELETE:
        statuses = tuple(one for one in statuses or sorted(REPLAYABLE) if one in REPLAYABLE)
        if not statuses:
            raise InvalidField("status", f"give some of {', '.join(sorted(REPLAYABLE))}")
    fixed = replace(search, until=until, statuses=statuses)
    found, stop_at = 0, time.monotonic() + COUNT_SECONDS
    for jobs in services.catalog.walk(fixed, PAGE):
        found += len(jobs)
        if found > JOBS_MAX or time.monotonic() > stop_at:
            raise TooManyJobs(
                f"more than {JOBS_MAX:,} jobs match, or counting them takes longer than "
                f"{COUNT_SECONDS:.0f} s: narrow the filter with `since` and `until`"
            )
    if count is None:
        raise CountRequired(count=found, until=until)
    if count != found:
        raise CountChanged(count=found, until=until)
    return services.batches.add(action, fixed, found, key, now)


def includes(batch: Batch, job: Job) -> bool:
    """Whether a job matches, and not by an end that came after the batch had begun."""
    if batch.search is None or not batch.search.matches(job):
        return False
    return not (batch.search.statuses and job.status.terminal and job.end > batch.created_at)
