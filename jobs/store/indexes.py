"""Index entries of a job: the sorted sets it belongs to, derived from its record alone."""

from collections.abc import Iterator, Mapping

from jobs.config.quotas import ConcurrencyLimits, QueueCapacity
from jobs.domain.job import Job
from jobs.domain.status import Status
from jobs.store.redis import keys
from jobs.store.scopes import queue_key, slots_keys_of
from jobs.store.search_conditions import facets, possible_facets

# Other scripts write to these, so that each commit sets them whether they changed or not.
ALWAYS_WRITTEN = (keys.DUE, keys.PENDING_RESCUES, keys.PENDING_POLLS)
FIXED_KEYS = (
    keys.DUE,
    keys.PENDING_RESCUES,
    keys.PENDING_POLLS,
    keys.NOTIFICATIONS,
    keys.THUMBNAILS,
    keys.PRICE_POLLS,
    keys.ENDED,
    keys.ENDED_MEDIA,
    keys.ACTIVE,
    keys.IN_FLIGHT,
    *(keys.STATUS_PREFIX + status for status in Status),
)
_AT_BFL = (Status.QUEUED, Status.SUBMITTED)


def indexes(job: Job) -> dict[str, float]:
    """The sorted sets that a job belongs to, with its score in each."""
    scores = {keys.STATUS_PREFIX + job.status: job.created_at}
    scores.update(dict.fromkeys(facets(job), job.created_at))
    if job.polling.next_check_at is not None:  # I3: set until the job ends
        scores[keys.DUE] = job.polling.next_check_at
    if job.lease.work_deadline is not None:
        scores[_pending_work_key(job)] = job.lease.work_deadline
    if job.is_submission:
        scores.update(_submission_scores(job))
    if holds_budget_at_unknown_price(job):
        scores[_unpriced_key(job)] = job.created_at
    if has_used_budget_at_unknown_price(job):
        scores[_unpriced_ended_key(job)] = job.end
    if job.request.announced_by:
        scores[keys.ANNOUNCED_PREFIX + job.request.announced_by] = job.created_at
    if job.submission.sent_at is not None:
        scores[keys.IN_FLIGHT] = job.submission.sent_at
    if job.status.terminal:
        scores.update(dict.fromkeys(_retention_keys(job), job.end))
    scores.update(_due_afterwards(job))
    return scores


def _pending_work_key(job: Job) -> str:
    """Rescues and polls have a set each: a URL expires, and a poll can wait."""
    if job.status is Status.READY:
        return keys.PENDING_RESCUES
    return keys.PENDING_POLLS


def _submission_scores(job: Job) -> dict[str, float]:
    """The queues in which a submission waits, or the slots that it takes."""
    if job.submission.is_queued:
        queued_at = job.submission.queued_at or job.created_at
        scores = {queue_key(job): queued_at}
        if job.submission.awaits_budget:
            scores[_awaiting_key(job)] = queued_at
        return scores
    if job.submission.slot and job.status in _AT_BFL:
        return dict.fromkeys(slots_keys_of(job), job.deadline)
    return {}


def _retention_keys(job: Job) -> Iterator[str]:
    """The sets in which retention, and the costs of what was not kept, find an ended job."""
    if job.present_media or job.request.input_files:
        yield keys.ENDED_MEDIA
    else:
        yield keys.ENDED
    if job.cost and job.is_made_and_not_kept:
        yield from sets_of_key(keys.UNKEPT, job.request.key)
    if job.is_without_price and job.status is not Status.STORED:
        yield from sets_of_key(keys.UNKEPT_UNPRICED, job.request.key)


def _due_afterwards(job: Job) -> Iterator[tuple[str, float]]:
    """The due sets of work that follows a job's end, each with the time of the work."""
    if job.notifications.pending:
        yield keys.NOTIFICATIONS, min(pending.at for pending in job.notifications.pending)
    if job.thumbnails.due_at is not None:
        yield keys.THUMBNAILS, job.thumbnails.due_at
    if job.polling.price_due_at is not None:
        yield keys.PRICE_POLLS, job.polling.price_due_at


def sets_of_key(name: str, key: str | None) -> tuple[str, ...]:
    """The names of a set of all jobs, and of the set of one API key's jobs if there is a key."""
    if not key:
        return (name,)
    return (name, f"{name}:{key}")


def unkept_sets(job: Job) -> tuple[str, ...]:
    """The sets in which a job stays when only the archive has it."""
    unkept = sets_of_key(keys.UNKEPT, job.request.key)
    return unkept + sets_of_key(keys.UNKEPT_UNPRICED, job.request.key)


def holds_reserve(job: Job) -> bool:
    """Whether a job has reserved credits, and BFL has not named its price yet."""
    is_reserved = job.submission.reserved_at is not None
    return is_reserved and job.cost is None and not job.status.terminal


def holds_budget_at_unknown_price(job: Job) -> bool:
    """Whether a job under way has reserved what was left of a budget."""
    return holds_reserve(job) and is_of_unknown_price(job)


def has_used_budget_at_unknown_price(job: Job) -> bool:
    """Whether an ended job counts as what it reserved, which was all that was left."""
    if job.submission.reserved_at is None or not is_of_unknown_price(job):
        return False
    is_moderated = job.status is Status.MODERATED
    is_billed = job.is_without_price or job.may_be_billed or is_moderated
    return job.status.terminal and job.cost is None and is_billed


def is_of_unknown_price(job: Job) -> bool:
    """Whether the reserve of a job says nothing about its price."""
    return job.submission.reserve is None or job.submission.is_guess


def _unpriced_key(job: Job) -> str:
    """The set of the jobs of unknown price that hold what was left of an API key's budget."""
    return f"{keys.UNPRICED_PREFIX}{job.request.key}"


def _unpriced_ended_key(job: Job) -> str:
    """The set of the jobs of unknown price that have ended."""
    return f"{keys.UNPRICED_ENDED_PREFIX}{job.request.key}"


def _awaiting_key(job: Job) -> str:
    """The set of the jobs that wait for the budget of a job's API key."""
    return f"{keys.AWAITING_PREFIX}{job.request.key}"


def possible_sets(job: Job) -> list[str]:
    """All sorted sets that a job may ever belong to."""
    names = list(FIXED_KEYS)
    names += slots_keys_of(job)
    names.append(queue_key(job))
    if job.request.announced_by:
        names.append(keys.ANNOUNCED_PREFIX + job.request.announced_by)
    names.append(_awaiting_key(job))
    names.append(_unpriced_key(job))
    names.append(_unpriced_ended_key(job))
    names += unkept_sets(job)
    names += possible_facets(job)
    return names


def capacities(
    before: Job | None, after: Job, limits: ConcurrencyLimits, room: QueueCapacity
) -> Mapping[str, int]:
    """Capacity of each limited set that the job newly enters (I14: no set exceeds its limit)."""
    if before is None and after.request.announced_by:
        return {keys.ANNOUNCED_PREFIX + after.request.announced_by: room.announced}
    if before is None and after.submission.awaits_budget and after.submission.is_queued:
        return {_awaiting_key(after): room.awaiting}
    limited: dict[str, int] = {}
    had_slot = before is not None and before.submission.slot
    if after.submission.slot and not had_slot:
        total, own_model = slots_keys_of(after)
        limited[total] = limits.total
        limited[own_model] = limits.for_model(after.model or "")
    return limited


def index_updates(before: Job | None, after: Job) -> tuple[list[str], dict[str, float]]:
    """The sorted sets that a job leaves, and those to add it to with its score in each."""
    previous_scores = indexes(before) if before else {}
    scores = indexes(after)
    sets_left = [key for key in previous_scores if key not in scores]
    for key in ALWAYS_WRITTEN:
        if key not in scores and key not in previous_scores:
            sets_left.append(key)
    queue = queue_key(after)
    updated_scores: dict[str, float] = {}
    for key, score in scores.items():
        is_always_written = key == queue or key in ALWAYS_WRITTEN
        if is_always_written or previous_scores.get(key) != score:
            updated_scores[key] = score
    return sets_left, updated_scores
