"""In which sorted sets a job stands, by its record alone: nothing can be leaked or forgotten."""

from collections.abc import Iterator, Mapping

from jobs.config.concurrency import ConcurrencyLimits, QueueCapacity
from jobs.job import Job
from jobs.status import Status
from jobs.store.keys import (
    ACTIVE,
    BY,
    DUE,
    ENDED,
    ENDED_MEDIA,
    EXPECTED_PREFIX,
    IN_FLIGHT,
    NOTIFICATIONS,
    PENDING_POLLS,
    PENDING_RESCUES,
    QUEUE_PREFIX,
    STATUS_PREFIX,
    THUMBNAILS,
)
from jobs.store.search_indexes import facets, possible_facets

# What others write to as well is put right with each commit, whether it changed or not.
ALWAYS = (DUE, PENDING_RESCUES, PENDING_POLLS)
ONE_EACH = (
    DUE,
    PENDING_RESCUES,
    PENDING_POLLS,
    NOTIFICATIONS,
    THUMBNAILS,
    ENDED,
    ENDED_MEDIA,
    ACTIVE,
    IN_FLIGHT,
    *(STATUS_PREFIX + state for state in Status),
)
_AT_BFL = (Status.QUEUED, Status.SUBMITTED)


def indexes(job: Job) -> dict[str, float]:
    """Sorted sets and the job's score in each."""
    found = dict.fromkeys((STATUS_PREFIX + job.status, *facets(job)), job.created_at)
    if job.check.next_check_at is not None:
        found[DUE] = job.check.next_check_at
    if job.check.work_deadline is not None:
        # A URL dies, a poll can wait: they never stand in one queue.
        found[PENDING_RESCUES if job.status is Status.READY else PENDING_POLLS] = (
            job.check.work_deadline
        )
    if job.is_submission:
        found |= _of_submission(job)
    if job.check.announced_by:
        found[EXPECTED_PREFIX + job.check.announced_by] = job.created_at
    if job.submission.sent_at is not None:
        found[IN_FLIGHT] = job.submission.sent_at
    if job.notifications.pending:
        found[NOTIFICATIONS] = min(notice.at for notice in job.notifications.pending)
    if job.thumbnails.due_at is not None:
        found[THUMBNAILS] = job.thumbnails.due_at
    if job.status.terminal:
        found[ENDED_MEDIA if job.kept else ENDED] = job.end
    return found


def _of_submission(job: Job) -> dict[str, float]:
    if job.submission.is_queued:
        return {f"{QUEUE_PREFIX}{job.model}": job.submission.queued_at or job.created_at}
    if job.submission.slot and job.status in _AT_BFL:
        return {ACTIVE: job.deadline, active(job.model or ""): job.deadline}
    return {}


def every(job: Job) -> tuple[str, ...]:
    """All sorted sets it may ever stand in."""
    model = job.model or ""
    expected = (EXPECTED_PREFIX + job.check.announced_by,) if job.check.announced_by else ()
    return (*ONE_EACH, active(model), QUEUE_PREFIX + model, *expected, *possible_facets(job))


def active(model: str) -> str:
    return f"{ACTIVE}:{model}"


def caps(
    before: Job | None, after: Job, limits: ConcurrencyLimits, room: QueueCapacity
) -> Mapping[str, int]:
    """How many may stand in the sets that a job newly enters."""
    if after.check.announced_by and not before:
        return {EXPECTED_PREFIX + after.check.announced_by: room.unconfirmed}
    entered = after.submission.slot and not (before and before.submission.slot)
    if not entered:
        return {}
    model = after.model or ""
    return {ACTIVE: limits.total, active(model): limits.of(model)}


def index_updates(
    job_id: str, before: Mapping[str, float], after: Mapping[str, float]
) -> Iterator[tuple[str | float, ...]]:
    """The commands that bring a job from its old places to its new ones."""
    for key in {**before, **dict.fromkeys(ALWAYS)}:
        if key not in after:
            yield "ZREM", key, job_id
    # A job from before there was searching takes its places with its next state.
    again = (QUEUE_PREFIX, BY) if _turned(before, after) else (QUEUE_PREFIX,)
    for key, score in after.items():
        if key in ALWAYS or key.startswith(again) or before.get(key) != score:
            yield "ZADD", key, score, job_id


def _turned(before: Mapping[str, float], after: Mapping[str, float]) -> bool:
    return any(key.startswith(STATUS_PREFIX) for key in after.keys() - before.keys())
