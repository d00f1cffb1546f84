"""Index entries of a job: the sorted sets it belongs to, derived from its record alone."""

from collections.abc import Iterator, Mapping

from jobs.bfl.model_names import slot_model
from jobs.config.quotas import ConcurrencyLimits, QueueCapacity
from jobs.domain.budgets import units
from jobs.domain.job import Job
from jobs.domain.status import Status
from jobs.store.redis import keys
from jobs.store.search_conditions import facets, possible_facets

# Other scripts write to these, so that each commit sets them whether they changed or not.
ALWAYS_WRITTEN = (keys.DUE, keys.PENDING_RESCUES, keys.PENDING_POLLS)
FIXED_KEYS = (
    *ALWAYS_WRITTEN,
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
    scores = dict.fromkeys((keys.STATUS_PREFIX + job.status, *facets(job)), job.created_at)
    if job.polling.next_check_at is not None:  # I3: set until the job ends
        scores[keys.DUE] = job.polling.next_check_at
    if job.lease.work_deadline is not None:
        # A URL expires and a poll can wait, so that rescues and polls have a set each.
        scores[keys.PENDING_RESCUES if job.status is Status.READY else keys.PENDING_POLLS] = (
            job.lease.work_deadline
        )
    if job.is_submission:
        scores |= _of_submission(job)
    if holds_budget_at_unknown_price(job):
        scores[_unpriced_key(job)] = job.created_at
    if has_used_budget_at_unknown_price(job):
        scores[_unpriced_ended_key(job)] = job.end
    if job.request.announced_by:
        scores[keys.ANNOUNCED_PREFIX + job.request.announced_by] = job.created_at
    if job.submission.sent_at is not None:
        scores[keys.IN_FLIGHT] = job.submission.sent_at
    if job.status.terminal:
        scores |= dict.fromkeys(_of_ended(job), job.end)
    scores.update(_due_afterwards(job))
    return scores


def _due_afterwards(job: Job) -> Iterator[tuple[str, float]]:
    """The due sets of a job that has ended, with its times."""
    if job.notifications.pending:
        yield keys.NOTIFICATIONS, min(one.at for one in job.notifications.pending)
    if job.thumbnails.due_at is not None:
        yield keys.THUMBNAILS, job.thumbnails.due_at
    if job.polling.price_due_at is not None:
        yield keys.PRICE_POLLS, job.polling.price_due_at


def _of_ended(job: Job) -> Iterator[str]:
    has_objects = job.present_media or job.request.input_files
    yield keys.ENDED_MEDIA if has_objects else keys.ENDED
    if job.cost and job.is_made_and_not_kept:
        yield from of_key(keys.UNKEPT, job.request.key)
    if job.is_without_price and job.status is not Status.STORED:
        yield from of_key(keys.UNKEPT_UNPRICED, job.request.key)


def of_key(name: str, key: str | None) -> tuple[str, ...]:
    """A set of all jobs, and then that of the jobs of an API key."""
    return (name, f"{name}:{key}") if key else (name,)


def unkept_sets(job: Job) -> tuple[str, ...]:
    """The sets in which a job stays when only the archive has it."""
    key = job.request.key
    return (*of_key(keys.UNKEPT, key), *of_key(keys.UNKEPT_UNPRICED, key))


def _of_submission(job: Job) -> dict[str, float]:
    if job.submission.is_queued:
        queues = (queue_key(job), *([_awaiting(job)] if job.submission.awaits_budget else []))
        return dict.fromkeys(queues, job.submission.queued_at or job.created_at)
    if job.submission.slot and job.status in _AT_BFL:
        return dict.fromkeys(_slots(job), job.deadline)
    return {}


def queue_key(job: Job) -> str:
    """The queue of its model; what waits for a budget shares one with what costs the same.

    What waits for an API key that was removed has one of its own, so that it blocks no others.
    """
    name = keys.QUEUE_PREFIX + at_account(job.model or "", job.submission.bfl_key)
    if job.submission.is_held and not job.submission.awaits_budget:
        return f"{name}\t\t{job.request.key or ''}"
    if not job.submission.awaits_budget:
        return name
    reserve = job.submission.reserve
    return f"{name}\t{'?' if reserve is None else units(reserve)}\t{job.request.key}"


def holds_reserve(job: Job) -> bool:
    """Whether it has reserved credits, and BFL has not named its price yet."""
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


def _awaiting(job: Job) -> str:
    return f"{keys.AWAITING_PREFIX}{job.request.key}"


def _unpriced_key(job: Job) -> str:
    return f"{keys.UNPRICED_PREFIX}{job.request.key}"


def _unpriced_ended_key(job: Job) -> str:
    return f"{keys.UNPRICED_ENDED_PREFIX}{job.request.key}"


def every(job: Job) -> tuple[str, ...]:
    """All sorted sets that a job may ever belong to."""
    announcer = job.request.announced_by
    announced = (keys.ANNOUNCED_PREFIX + announcer,) if announcer else ()
    unpriced = (_unpriced_key(job), _unpriced_ended_key(job))
    others = (*announced, _awaiting(job), *unpriced, *unkept_sets(job), *possible_facets(job))
    return (*FIXED_KEYS, *_slots(job), queue_key(job), *others)


def active(scope: str) -> str:
    """The slots that are taken of a model, or of all: at BFL_API_KEY's account or another."""
    return f"{keys.ACTIVE}:{scope}" if scope else keys.ACTIVE


def at_account(model: str, bfl_key: str | None) -> str:
    """The scope of a model's queue, slots and circuit; no model has an `@`."""
    return f"{model}@{bfl_key}" if bfl_key else model


def _slots(job: Job) -> tuple[str, str]:
    """The slots of all models and of its own."""
    total = active(at_account("", job.submission.bfl_key))
    own = active(at_account(slot_model(job.model or ""), job.submission.bfl_key))
    return total, own


def slot_scope(scope: str) -> str:
    """The scope whose slots the jobs of a queue take."""
    model, _, account = scope.partition("@")
    return at_account(slot_model(model), account or None)


def capacities(
    before: Job | None, after: Job, limits: ConcurrencyLimits, room: QueueCapacity
) -> Mapping[str, int]:
    """Capacity of each limited set that the job newly enters (I14)."""
    if after.request.announced_by and not before:
        return {keys.ANNOUNCED_PREFIX + after.request.announced_by: room.announced}
    if after.submission.awaits_budget and after.submission.is_queued and not before:
        return {_awaiting(after): room.awaiting}
    limited: dict[str, int] = {}
    if after.submission.slot and not (before and before.submission.slot):
        maxima = (limits.total, limits.for_model(after.model or ""))
        limited |= dict(zip(_slots(after), maxima, strict=True))
    return limited


def index_updates(before: Job | None, after: Job) -> tuple[list[str], dict[str, float]]:
    """The sorted sets that a job leaves, and those to add it to with its score in each."""
    old, new = indexes(before) if before else {}, indexes(after)
    left = [key for key in {**old, **dict.fromkeys(ALWAYS_WRITTEN)} if key not in new]
    rewritten = (*ALWAYS_WRITTEN, queue_key(after))
    return left, {key: at for key, at in new.items() if old.get(key) != at or key in rewritten}
