"""Costs by day: from the books of Redis, which it restores, and from the rows of the archive.

Each day comes from one of the two, whichever has more, so that nothing is counted twice. The books
have what is under way and what was deleted, and lack what a loss of Redis took; the rows have every
ended job that was not deleted, also what an import brought, whose key is not known.
"""

from collections import Counter
from collections.abc import Sequence

from jobs.archive.archive import Archive
from jobs.archive.costs import EntryCosts
from jobs.archive.database import QueryTooLong
from jobs.domain.budgets import Period, units
from jobs.domain.errors import Invalid, InvalidField
from jobs.store import costs
from jobs.store.consistency import Consistency
from jobs.store.costs import DAY_SECONDS, CostView, DayView, Place, day_view, only

ROWS_MAX = 250_000  # of one answer by metadata: the database sums 100,000 in about a second
COSTS_MAX = 10_000  # entries of one answer by metadata
_TOO_MANY = "there are too many jobs or values: give a shorter range, or ask the database"


class DailyCosts:
    """Raises StoreUnavailable, ArchiveUnavailable."""

    def __init__(
        self, books: costs.Costs, archive: Archive | None, consistency: Consistency
    ) -> None:
        self._books, self._archive, self._consistency = books, archive, consistency

    def days(self, days: Sequence[float], owner: str | None = None) -> list[DayView]:
        """The days that begin at these times (UTC), of one API key or of all."""
        booked = only(owner, self._books.on(days))
        if not self._archive:
            return booked
        rows = []
        for day in days:
            found = self._archive.costs(day, day + DAY_SECONDS, owner)
            views = (_view(model, key, *sums) for model, key, *sums in found)
            rows.append(day_view(day, views))
        return [max(both, key=_weight) for both in zip(booked, only(owner, rows), strict=True)]

    def days_by(self, days: Sequence[float], name: str, owner: str | None = None) -> list[DayView]:
        """The same by the values of a metadata entry. Raises Invalid, InvalidField."""
        if not self._archive:
            message = "costs by metadata need a database (DATABASE_URL), and there is none"
            raise Invalid([{"field": "by", "message": message}])
        views: dict[float, list[CostView]] = {day: [] for day in days}
        for sums in _costs_by(self._archive, days, name, owner) if days else []:
            view = _view(sums.model, sums.key, sums.credits, sums.jobs_without_price)
            views[sums.day * DAY_SECONDS].append({**view, "value": sums.value})
        return only(owner, [day_view(day, of_day) for day, of_day in views.items()])

    def restore(self, now: float, *, dry_run: bool = False) -> int:
        """Raise sums after a loss of Redis to what is known; how many were lower.

        The records count, and with a database the rows of jobs that have none. It may be repeated
        and interrupted.
        """
        sums = Counter[Place]()
        for page in self._consistency.records():
            jobs = [job for job in page.values() if job]
            rows = self._archive.versions([job.id for job in jobs]) if self._archive else {}
            for job in jobs:
                if job.id not in rows:
                    sums.update(costs.entries(job))
        if self._archive:
            sums.update(_present_spending(self._archive, now))
        days = self._archive is None  # else the rows themselves are summed
        known = {
            place: number
            for place, number in sums.items()
            if number > 0 and costs.is_counted(place, now, days=days)
        }
        return self._books.raise_sums(known, dry_run=dry_run)


def _costs_by(
    archive: Archive, days: Sequence[float], name: str, owner: str | None
) -> list[EntryCosts]:
    """Costs of these days; an `own` key is bounded by the jobs of its name alone."""
    since, until = min(days), max(days) + DAY_SECONDS
    if archive.count_created(since, until, owner, ROWS_MAX + 1) > ROWS_MAX:
        raise InvalidField("since", _TOO_MANY)
    try:
        costs_by_entry = archive.costs_by(name, since, until, owner, COSTS_MAX + 1)
    except QueryTooLong:
        raise InvalidField("since", _TOO_MANY) from None
    if len(costs_by_entry) > COSTS_MAX:
        raise InvalidField("since", _TOO_MANY)
    return costs_by_entry


def _present_spending(archive: Archive, now: float) -> Counter[Place]:
    """Spending of ended jobs in the present periods, day by day: a month can have millions."""
    begins, sums = {period: period.begins_at(now) for period in Period}, Counter[Place]()
    day, hour = min(begins.values()), begins.pop(Period.HOUR)
    for _, key, cost, _ in archive.costs(hour, hour + 3600):
        if key:  # only keys have budgets
            sums[costs.budget_key(Period.HOUR, now, key), costs.SPENT] += units(cost)
    while day <= now:
        for _, key, cost, _ in archive.costs(day, day + DAY_SECONDS):
            for period, begin in begins.items():
                if key and day >= begin:
                    sums[costs.budget_key(period, now, key), costs.SPENT] += units(cost)
        day += DAY_SECONDS
    return sums


def _view(model: str | None, key: str | None, cost: float, without_price: float) -> CostView:
    return {
        "model": model,
        "key": key,
        "credits": round(cost, 4),
        "jobs_without_price": int(without_price),
    }


def _weight(day: DayView) -> tuple[float, int]:
    """The credits of a day, and its jobs without a price; of two alike the first counts."""
    return day["credits"], sum(cost["jobs_without_price"] for cost in day["costs"])
