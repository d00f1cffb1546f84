"""Books of costs: credits per day, model and key, sums of the periods of budgets, and paid jobs
whose media were not kept.

Quotes are booked when BFL accepts a job, and corrected when it settles the price. The day is that
of the job's creation (UTC).
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Annotated, NamedTuple, NotRequired

from pydantic import Field
from typing_extensions import TypedDict

from jobs.domain.budgets import UNITS_PER_CREDIT, Period, units
from jobs.domain.job import Job
from jobs.domain.status import Status
from jobs.domain.timestamps import utc
from jobs.store.indexes import holds_reserve, sets_of_key
from jobs.store.redis import scripts
from jobs.store.redis.client import StoreClient
from jobs.store.redis.clock import Clock
from jobs.store.redis.keys import BUDGET_PREFIX, COSTS_PREFIX, UNKEPT, UNKEPT_UNPRICED
from jobs.store.redis.scripts import Command

DAYS_MAX = 366
DAY_SECONDS = 86400.0
_DAY_LIFE_SECONDS = DAYS_MAX * 86400
# Seconds for which the sums of a period are kept: later nobody reads what a job gives back.
LIVES: Mapping[str, int] = {
    Period.HOUR: 2 * 86400,
    Period.DAY: 3 * 86400,
    Period.WEEK: 15 * 86400,
    Period.MONTH: 63 * 86400,
}
SPENT = "spent"
RESERVED = "reserved"
RAISED_AT_ONCE = 500

Place = tuple[str, str]  # where a sum is booked: its hash and field
_SEPARATOR = "\t"  # in no model and no key name
_UNPRICED = _SEPARATOR + "unpriced"  # ends the field that counts jobs without a price


class CostView(TypedDict):
    """Credits of one key on one model."""

    model: str | None
    key: Annotated[str | None, Field(description="name of the API key that brought the jobs")]
    value: NotRequired[
        Annotated[str | None, Field(description="of the entry that `by` names; null without it")]
    ]
    credits: float
    jobs_without_price: Annotated[int, Field(description="BFL never said what they cost")]


class DayView(TypedDict):
    """The costs of jobs created on a day (UTC)."""

    day: Annotated[str, Field(json_schema_extra={"format": "date"})]
    credits: float
    costs: list[CostView]


class Unkept(NamedTuple):
    """Jobs that BFL made and whose media were not kept: how many were paid, and the latest's ids.

    `without_price` counts the jobs of which it is not known whether they were paid.
    """

    number: int
    ids: list[str]
    without_price: int


def cost_updates(before: Job | None, after: Job) -> Iterator[Command]:
    """The commands that book a changed cost; a restored job was booked before."""
    if before is None and after.status is Status.STORED:
        return
    changes = Counter(booked_sums(after))
    if before is not None:
        changes.subtract(booked_sums(before))
    for (key, field), change in changes.items():
        if change:
            yield "HINCRBY", key, field, change
            yield "EXPIRE", key, _life_seconds(key)


def deletion_updates(job: Job) -> Iterator[Command]:
    """The commands that give a deleted job's reserve back, unless BFL may bill the job."""
    if job.status.terminal:
        return
    was_sent = job.submission.sent_at is not None or job.submission.unconfirmed
    status = Status.FAILED
    if job.task_id is not None or was_sent:
        status = Status.LOST
    yield from cost_updates(job, job.evolve(status=status))


def _life_seconds(key: str) -> int:
    """The seconds for which a hash of sums is kept; the name of a budget's has its period."""
    period = key.split(":")[2]
    return LIVES.get(period, _DAY_LIFE_SECONDS)


def booked_sums(job: Job) -> dict[Place, int]:
    """Amounts that a job adds to the sums of the books: its caller may name key and model later."""
    day = f"{COSTS_PREFIX}{utc(job.created_at):%Y-%m-%d}"
    field = f"{job.model or ''}{_SEPARATOR}{job.request.key or ''}"
    sums = {
        (day, field): units((job.cost or 0.0) + job.cost_of_duplicates),
        (day, field + _UNPRICED): int(job.is_without_price),
    }
    if not job.request.key:
        return sums
    spent_units = units(_spent_of_budget(job))
    reserved_units = 0
    if holds_reserve(job):
        reserved_units = units(job.submission.reserve or 0.0)
    reserved_at = job.submission.reserved_at or job.created_at
    # The sums of all periods, whatever budgets the job's key has: budgets may be set later.
    for period in Period:
        period_key = budget_key(period, reserved_at, job.request.key)
        sums[period_key, SPENT] = spent_units
        sums[period_key, RESERVED] = reserved_units
    return sums


def _spent_of_budget(job: Job) -> float:
    """Credits that a job has cost its key's budgets, with those of all tasks made for it."""
    cost = job.cost or 0.0
    is_moderated_without_price = job.cost is None and job.status is Status.MODERATED
    # BFL answered with an error, and may have made the task nevertheless.
    may_be_billed_without_price = job.cost is None and job.may_be_billed
    if job.is_without_price or is_moderated_without_price or may_be_billed_without_price:
        cost = job.submission.reserve or 0.0  # BFL does not say how much it billed
    cost += job.submission.earlier or 0.0
    cost += job.cost_of_duplicates + job.cost_of_unanswered
    return cost


def is_counted(place: Place, now: float, *, includes_days: bool) -> bool:
    """Whether a sum is of a present budget period, or with `includes_days` of any day."""
    sums_key, _ = place
    if includes_days and sums_key.startswith(COSTS_PREFIX):
        return True
    return any(sums_key.startswith(budget_key(period, now, "")) for period in Period)


def budget_key(period: Period, at: float, key: str) -> str:
    """The hash with an API key's sums of the period in which a time lies."""
    return f"{BUDGET_PREFIX}{period}:{utc(period.begins_at(at)):%Y-%m-%dT%H}:{key}"


class Costs:
    """Reader of the books. Raises StoreUnavailable."""

    def __init__(self, redis: StoreClient, clock: Clock) -> None:
        self._redis = redis
        self._clock = clock
        self._raise_script = redis.register_script(scripts.read("raise_to_at_least"))

    def raise_sums(self, sums: Mapping[Place, int], *, dry_run: bool = False) -> int:
        """Raise the sums that are lower after a loss of Redis; return how many were lower."""
        mode = "peek" if dry_run else "raise"
        items = list(sums.items())
        lower_count = 0
        for begin in range(0, len(items), RAISED_AT_ONCE):
            arguments: list[str | int] = [mode]
            for (key, field), number in items[begin : begin + RAISED_AT_ONCE]:
                arguments += [key, field, number, _life_seconds(key)]
            lower_count += self._raise_script(args=arguments)
        return lower_count

    def days(self, count: int) -> list[DayView]:
        """The last days, the oldest first, today included; the largest costs of each first."""
        today = self._clock.now() // DAY_SECONDS
        begins = [(today - days_ago) * DAY_SECONDS for days_ago in reversed(range(count))]
        return self.days_beginning_at(begins)

    def days_beginning_at(self, begins: Sequence[float]) -> list[DayView]:
        """The costs of the days that begin at these times."""
        with self._redis.round_trip() as pipe:
            for begin in begins:
                pipe.hgetall(f"{COSTS_PREFIX}{utc(begin):%Y-%m-%d}")
            books = pipe.execute()
        return [day_view(begin, _costs(book)) for begin, book in zip(begins, books, strict=True)]

    def unkept(self, most: int, key: str | None = None) -> Unkept:
        """The unkept jobs of an API key, or of all keys, with up to `most` ids."""
        paid_set = sets_of_key(UNKEPT, key)[-1]
        unpriced_set = sets_of_key(UNKEPT_UNPRICED, key)[-1]
        latest_ids: list[str] = []
        if most:
            members = self._redis.zrevrange(paid_set, 0, most - 1)
            latest_ids = [job_id.decode() for job_id in members]
        paid_count = self._redis.zcard(paid_set)
        unpriced_count = self._redis.zcard(unpriced_set)
        return Unkept(paid_count, latest_ids, unpriced_count)


def costs_of_key(key: str | None, days: Iterable[DayView]) -> list[DayView]:
    """The costs of an API key on these days, or of all keys (None)."""
    if key is None:
        return list(days)
    days_of_key = []
    for day in days:
        costs = [cost for cost in day["costs"] if cost["key"] == key]
        days_of_key.append(_with_total(day["day"], costs))
    return days_of_key


def day_view(begin: float, costs: Iterable[CostView]) -> DayView:
    """The costs of the day that begins at this time, the largest first."""
    return _with_total(f"{utc(begin):%Y-%m-%d}", costs)


def _with_total(day: str, costs: Iterable[CostView]) -> DayView:
    largest_first = sorted(costs, key=_credits, reverse=True)
    total = sum(cost["credits"] for cost in largest_first)
    return {"day": day, "credits": round(total, 4), "costs": largest_first}


def _credits(cost: CostView) -> float:
    return cost["credits"]


def _costs(book: Mapping[bytes, bytes]) -> Iterator[CostView]:
    """The costs that the hash of a day has; each has two fields, credits and jobs without price."""
    numbers: dict[str, int] = {}
    for field, number in book.items():
        if int(number):
            numbers[field.decode()] = int(number)
    names = dict.fromkeys(field.removesuffix(_UNPRICED) for field in numbers)  # each once
    for name in names:
        model, _, key = name.partition(_SEPARATOR)
        yield {
            "model": model or None,
            "key": key or None,
            "credits": numbers.get(name, 0) / UNITS_PER_CREDIT,
            "jobs_without_price": numbers.get(name + _UNPRICED, 0),
        }
