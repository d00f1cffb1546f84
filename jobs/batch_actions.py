"""The jobs of a batch: those of a search, counted before anything is done to them."""

import math
import time
from dataclasses import replace

from jobs.domain import notifications
from jobs.domain.errors import CountChanged, CountRequired, InvalidField, TooManyJobs
from jobs.domain.job import Job
from jobs.domain.status import REPLAYABLE, TERMINAL, Status
from jobs.domain.timeline import EventCode
from jobs.services import Services
from jobs.store.batch_actions import Action, Batch
from jobs.store.search_conditions import Search

JOBS_MAX = 100_000
COUNT_SECONDS = 20.0  # routers close a connection that is silent for longer
PAGE = 200


def begin(
    services: Services,
    action: Action,
    search: Search,
    count: int | None,
    key: str | None,
    ended_since: float | None = None,
) -> Batch:
    """Have the sweep act on all jobs of a search, if they are as many as the caller was told.

    `ended_since` leaves out jobs that ended earlier. Raises CountRequired, CountChanged,
    TooManyJobs, QueueFull, and InvalidField for a status to whose jobs the action does not apply.
    """
    now = services.store.now()
    until = math.floor(now * 1000) / 1000  # to the millisecond, as callers read it
    if search.until is not None:
        until = min(until, search.until)
    fixed_search = replace(search, until=until, statuses=_statuses(action, search))
    total = 0
    stop_at = time.monotonic() + COUNT_SECONDS
    for jobs in services.catalog.walk(fixed_search, PAGE):
        for job in jobs:
            if _applies(services, action, job, ended_since):
                total += 1
        if total > JOBS_MAX or time.monotonic() > stop_at:
            raise TooManyJobs(
                f"more than {JOBS_MAX:,} jobs match, or counting them takes longer than "
                f"{COUNT_SECONDS:.0f} s: narrow the filter with `since` and `until`"
            )
    if count is None:
        raise CountRequired(count=total, until=until)
    if count != total:
        raise CountChanged(count=total, until=until)
    return services.batches.add(action, fixed_search, total, key, now, ended_since)


def _statuses(action: Action, search: Search) -> tuple[Status, ...]:
    """The statuses of a search that an action applies to. Raises InvalidField if it has none."""
    if action is Action.DELETE:
        return search.statuses
    possible = TERMINAL
    if action is Action.REPLAY:
        possible = REPLAYABLE
    if not search.statuses:
        return tuple(sorted(possible))
    chosen = [status for status in search.statuses if status in possible]
    if not chosen:
        raise InvalidField("status", f"give some of {', '.join(sorted(possible))}")
    return tuple(chosen)


def _applies(services: Services, action: Action, job: Job, ended_since: float | None) -> bool:
    if action is not Action.NOTIFY:
        return True
    if ended_since is not None and job.end < ended_since:
        return False
    return notifications.has_recipient(job, services.store.followers.owner)


def includes(batch: Batch, job: Job) -> bool:
    """Whether a job matches, and not by an end that came after the batch had begun."""
    if batch.search is None or not batch.search.matches(job):
        return False
    if batch.ended_since is not None and job.end < batch.ended_since:
        return False
    if batch.action is Action.NOTIFY and _was_repeated_since(job, batch.created_at):
        return False
    has_ended_since = job.status.terminal and job.end > batch.created_at
    return not batch.search.statuses or not has_ended_since


def _was_repeated_since(job: Job, at: float) -> bool:
    """Whether a notification was repeated: the step of a killed sweep is done once more."""
    repeated = EventCode.NOTIFICATION_REPEATED
    return any(event.event is repeated and event.at >= at for event in job.timeline)
