"""Books of costs: credits per day, model and key, and paid jobs whose media were not kept.

Quotes are booked when BFL accepts a job, and corrected when it settles the price. The day is that
of the job's creation (UTC).
"""

from collections.abc import Iterator
from datetime import timedelta
from typing import Annotated, Any

from pydantic import Field
from redis import Redis
from typing_extensions import TypedDict

from jobs.domain.job import Job
from jobs.domain.status import Status
from jobs.domain.timeline import utc
from jobs.store.clock import Clock, unavailable
from jobs.store.keys import COSTS_PREFIX, UNKEPT
from jobs.store.scripts import Command

UNITS_PER_CREDIT = 10_000  # integers do not drift
CREDITS_MAX = 1_000_000.0  # of one job: an absurd cost must not overflow the sum of a day
DAYS_MAX = 366
_SECONDS = DAYS_MAX * 86400
_SEPARATOR = "\t"  # in no model and no key name


class CostView(TypedDict):
    """Credits of one key on one model."""

    model: str | None
    key: Annotated[str | None, Field(description="name of the API key that brought the jobs")]
    credits: float


class DayView(TypedDict):
    """The costs of jobs created on a day (UTC)."""

    day: Annotated[str, Field(json_schema_extra={"format": "date"})]
    credits: float
    costs: list[CostView]


def cost_updates(before: Job | None, after: Job) -> Iterator[Command]:
    """The commands that book a changed cost; a restored job was booked before."""
    if before is None and after.status is Status.STORED:
        return
    units = _units(after) - (_units(before) if before else 0)
    if units:
        key = f"{COSTS_PREFIX}{utc(after.created_at):%Y-%m-%d}"
        name = f"{after.model or ''}{_SEPARATOR}{after.request.key or ''}"
        yield "HINCRBY", key, name, units
        yield "EXPIRE", key, _SECONDS


def _units(job: Job) -> int:
    return round(max(-CREDITS_MAX, min(job.cost or 0.0, CREDITS_MAX)) * UNITS_PER_CREDIT)


class Costs:
    """Reader of the books. Raises StoreUnavailable."""

    def __init__(self, redis: Redis, clock: Clock) -> None:
        self._redis: Any = redis  # its types leave open whether replies are bytes
        self._clock = clock

    def days(self, count: int) -> list[DayView]:
        """The last days, the oldest first, today included; the largest costs of each first."""
        today = utc(self._clock.now())
        days = [f"{today - timedelta(days=n):%Y-%m-%d}" for n in reversed(range(count))]
        with unavailable(), self._redis.pipeline(transaction=False) as pipe:
            for day in days:
                pipe.hgetall(COSTS_PREFIX + day)
            found = pipe.execute()
        return [_day_view(day, booked) for day, booked in zip(days, found, strict=True)]

    def unkept(self, most: int) -> tuple[int, list[str]]:
        """The number of paid jobs whose media were not kept, and the ids of the latest."""
        with unavailable():
            ids = self._redis.zrevrange(UNKEPT, 0, most - 1) if most else []
            return self._redis.zcard(UNKEPT), [job_id.decode() for job_id in ids]


def _day_view(day: str, booked: dict[bytes, bytes]) -> DayView:
    costs: list[CostView] = []
    for name, units in booked.items():
        model, _, key = name.decode().partition(_SEPARATOR)
        if int(units):
            spent = int(units) / UNITS_PER_CREDIT
            costs.append({"model": model or None, "key": key or None, "credits": spent})
    costs.sort(key=lambda cost: -cost["credits"])
    total = round(sum(cost["credits"] for cost in costs), 4)
    return {"day": day, "credits": total, "costs": costs}
