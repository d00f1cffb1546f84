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
_SECONDS = DAYS_MAX * 86400
# Of the sums of a period: what a job gives back after its end has no reader.
LIVES: Mapping[str, int] = {
    Period.HOUR: 2 * 86400,
    Period.DAY: 3 * 86400,
    Period.WEEK: 15 * 86400,
    Period.MONTH: 63 * 86400,
}
SPENT, RESERVED = "spent", "reserved"
RAISED_AT_ONCE = 500

Place = tuple[str, str]  # of a sum: its hash and field
_SEPARATOR = "\t"  # in no model and no key name
_UNPRICED = _SEPARATOR + "unpriced"  # ends the name of a number of jobs


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
    """Jobs that BFL made and whose media were not kept: the paid ones, and the ids of the latest.

    `without_price` counts those of which it is not known whether they were paid.
    """

    number: int
    ids: list[str]
    without_price: int


def cost_updates(before: Job | None, after: Job) -> Iterator[Command]:
    """The commands that book a changed cost; a restored job was booked before."""
    if before is None and after.status is Status.STORED:
        return
    sums = Counter(entries(after))
    sums.subtract(entries(before) if before else {})
    for (key, field), change in sums.items():
        if change:
            yield "HINCRBY", key, field, change
            yield "EXPIRE", key, _life(key)


def deletion_updates(job: Job) -> Iterator[Command]:
    """The commands that give a deleted job's reserve back, unless BFL may bill the job."""
    if not job.status.terminal:
        sent = job.submission.sent_at is not None or job.submission.unconfirmed
        status = Status.LOST if job.task_id is not None or sent else Status.FAILED
        yield from cost_updates(job, job.evolve(status=status))


def _life(key: str) -> int:
    return LIVES.get(key.split(":")[2], _SECONDS)


def entries(job: Job) -> dict[Place, int]:
    """Sums of a job in the books, by key and field: its caller may name key and model later."""
    day = f"{COSTS_PREFIX}{utc(job.created_at):%Y-%m-%d}"
    name = f"{job.model or ''}{_SEPARATOR}{job.request.key or ''}"
    booked = {
        (day, name): units((job.cost or 0.0) + job.cost_of_duplicates),
        (day, name + _UNPRICED): int(job.is_without_price),
    }
    if not job.request.key:
        return booked
    # The sums of all periods, whatever budgets its key has: they may be set later.
    cost, reserve = job.cost or 0.0, job.submission.reserve or 0.0
    is_moderated_without_price = job.cost is None and job.status is Status.MODERATED
    if job.is_without_price or is_moderated_without_price:
        cost = reserve  # it was billed, and BFL does not say how much
    elif job.may_be_billed and job.cost is None:
        cost = reserve  # BFL answered with an error, and may have made it all the same
    cost += job.submission.earlier or 0.0
    cost += job.cost_of_duplicates + job.cost_of_unanswered
    reserved = units(reserve) if holds_reserve(job) else 0
    at = job.submission.reserved_at or job.created_at
    return booked | {
        (budget_key(period, at, job.request.key), field): number
        for period in Period
        for field, number in ((SPENT, units(cost)), (RESERVED, reserved))
    }


def is_counted(place: Place, now: float, *, days: bool) -> bool:
    """Whether a sum is of a period that a budget counts now, or with `days` of any day."""
    if days and place[0].startswith(COSTS_PREFIX):
        return True
    return place[0].startswith(tuple(budget_key(period, now, "") for period in Period))


def budget_key(period: Period, at: float, key: str) -> str:
    """The sums of the period with this time, of an API key."""
    return f"{BUDGET_PREFIX}{period}:{utc(period.begins_at(at)):%Y-%m-%dT%H}:{key}"


class Costs:
    """Reader of the books. Raises StoreUnavailable."""

    def __init__(self, redis: StoreClient, clock: Clock) -> None:
        self._redis = redis
        self._clock = clock
        self._raise_script = redis.register_script(scripts.read("raise_to_at_least"))

    def raise_sums(self, sums: Mapping[Place, int], *, dry_run: bool = False) -> int:
        """Raise sums that are lower after a loss of Redis; how many were."""
        lower, places = 0, list(sums)
        for n in range(0, len(places), RAISED_AT_ONCE):
            some = places[n : n + RAISED_AT_ONCE]
            parts = [part for one in some for part in (*one, sums[one], _life(one[0]))]
            lower += self._raise_script(args=["peek" if dry_run else "raise", *parts])
        return lower

    def days(self, count: int) -> list[DayView]:
        """The last days, the oldest first, today included; the largest costs of each first."""
        today = self._clock.now() // DAY_SECONDS
        return self.on([(today - n) * DAY_SECONDS for n in reversed(range(count))])

    def on(self, days: Sequence[float]) -> list[DayView]:
        """The days that begin at these times."""
        with self._redis.round_trip() as pipe:
            for day in days:
                pipe.hgetall(f"{COSTS_PREFIX}{utc(day):%Y-%m-%d}")
            found = pipe.execute()
        return [day_view(day, _costs(booked)) for day, booked in zip(days, found, strict=True)]

    def unkept(self, most: int, key: str | None = None) -> Unkept:
        """Of the jobs of an API key, or of all."""
        paid, unpriced = (sets_of_key(name, key)[-1] for name in (UNKEPT, UNKEPT_UNPRICED))
        ids = self._redis.zrevrange(paid, 0, most - 1) if most else []
        counts = [self._redis.zcard(name) for name in (paid, unpriced)]
        return Unkept(counts[0], [job_id.decode() for job_id in ids], counts[1])


def only(key: str | None, days: Iterable[DayView]) -> list[DayView]:
    """The costs of an API key on these days, or of all keys (None)."""
    if key is None:
        return [*days]
    return [_summed(day["day"], (one for one in day["costs"] if one["key"] == key)) for day in days]


def day_view(day: float, costs: Iterable[CostView]) -> DayView:
    """The costs of the day that begins at this time, the largest first."""
    return _summed(f"{utc(day):%Y-%m-%d}", costs)


def _summed(day: str, costs: Iterable[CostView]) -> DayView:
    ordered = sorted(costs, key=lambda cost: -cost["credits"])
    total = round(sum(cost["credits"] for cost in ordered), 4)
    return {"day": day, "credits": total, "costs": ordered}


def _costs(booked: dict[bytes, bytes]) -> Iterator[CostView]:
    books = {name.decode(): int(number) for name, number in booked.items() if int(number)}
    for name in dict.fromkeys(name.removesuffix(_UNPRICED) for name in books):
        model, _, key = name.partition(_SEPARATOR)
        yield {
            "model": model or None,
            "key": key or None,
            "credits": books.get(name, 0) / UNITS_PER_CREDIT,
            "jobs_without_price": books.get(name + _UNPRICED, 0),
        }
