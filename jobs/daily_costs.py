"""Costs by day: from the books of Redis, which it restores, and from the rows of the archive.

Each day comes from one of the two, whichever has more, so that nothing is counted twice. The books
have what is under way and what was deleted, and lack what a loss of Redis took; the rows have every
ended job that was not deleted, also what an import brought, whose key is not known.
"""

from collections import Counter
from collections.abc import Collection, Sequence

from jobs.archive.archive import Archive
from jobs.archive.costs import EntryCosts
from jobs.archive.database import QueryTooLong
from jobs.domain.budgets import Period, units
from jobs.domain.errors import Invalid, InvalidField
from jobs.store import costs
from jobs.store.consistency import Consistency
from jobs.store.costs import DAY_SECONDS, CostView, DayView, Place, costs_of_key, day_view

ROWS_MAX = 250_000  # of one answer by metadata: the database sums 100,000 in about a second
COSTS_MAX = 10_000  # entries of one answer by metadata
HOUR_SECONDS = 3600
_TOO_MANY = "there are too many jobs or values: give a shorter range, or ask the database"


class DailyCosts:
    """Raises StoreUnavailable, ArchiveUnavailable."""

    def __init__(
        self, books: costs.Costs, archive: Archive | None, consistency: Consistency
    ) -> None:
        self._books = books
        self._archive = archive
        self._consistency = consistency

    def days(self, days: Sequence[float], owner: str | None = None) -> list[DayView]:
        """The days that begin at these times (UTC), of one API key or of all."""
        booked = costs_of_key(owner, self._books.days_beginning_at(days))
        if not self._archive:
            return booked
        summed_rows: list[DayView] = []
        for day in days:
            views: list[CostView] = []
            for row in self._archive.costs(day, day + DAY_SECONDS, owner):
                model, key, cost, jobs_without_price = row
                views.append(_view(model, key, cost, jobs_without_price))
            summed_rows.append(day_view(day, views))
        weightier_days: list[DayView] = []
        for of_books, of_rows in zip(booked, costs_of_key(owner, summed_rows), strict=True):
            weightier_days.append(max(of_books, of_rows, key=_weight))
        return weightier_days

    def days_by(self, days: Sequence[float], name: str, owner: str | None = None) -> list[DayView]:
        """The days by the values of a metadata entry. Raises Invalid, InvalidField."""
        if not self._archive:
            message = "costs by metadata need a database (DATABASE_URL), and there is none"
            raise Invalid([{"field": "by", "message": message}])
        if not days:
            return []
        views_by_day: dict[float, list[CostView]] = {day: [] for day in days}
        for sums in _costs_by(self._archive, days, name, owner):
            view = _view(sums.model, sums.key, sums.credits, sums.jobs_without_price)
            view["value"] = sums.value
            views_by_day[sums.day * DAY_SECONDS].append(view)
        day_views = [day_view(day, views) for day, views in views_by_day.items()]
        return costs_of_key(owner, day_views)

    def restore(self, now: float, *, dry_run: bool = False) -> int:
        """Raise the sums of the books after a loss of Redis; return how many were lower.

        The records count, and with a database the rows of jobs without a record. The restore may
        be repeated and interrupted.
        """
        sums = Counter[Place]()
        for page in self._consistency.records():
            jobs = [job for job in page.values() if job]
            archived_ids: Collection[str] = ()
            if self._archive:
                archived_ids = self._archive.versions([job.id for job in jobs])
            for job in jobs:
                if job.id not in archived_ids:
                    sums.update(costs.booked_sums(job))
        if self._archive:
            sums.update(_present_spending(self._archive, now))
        counts_days = self._archive is None  # else the rows themselves are summed
        counted_sums: dict[Place, int] = {}
        for place, number in sums.items():
            if number > 0 and costs.is_counted(place, now, includes_days=counts_days):
                counted_sums[place] = number
        return self._books.raise_sums(counted_sums, dry_run=dry_run)


def _costs_by(
    archive: Archive, days: Sequence[float], name: str, owner: str | None
) -> list[EntryCosts]:
    """Costs of these days; with an owner only the jobs of this API key count for the limits."""
    since = min(days)
    until = max(days) + DAY_SECONDS
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
    sums = Counter[Place]()
    begins = {period: period.begins_at(now) for period in Period}
    day = min(begins.values())
    hour = begins.pop(Period.HOUR)
    for _model, key, cost, _jobs_without_price in archive.costs(hour, hour + HOUR_SECONDS):
        if key:  # only keys have budgets
            place = (costs.budget_key(Period.HOUR, now, key), costs.SPENT)
            sums[place] += units(cost)
    while day <= now:
        for _model, key, cost, _jobs_without_price in archive.costs(day, day + DAY_SECONDS):
            if not key:
                continue
            for period, begins_at in begins.items():
                if day >= begins_at:
                    place = (costs.budget_key(period, now, key), costs.SPENT)
                    sums[place] += units(cost)
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
    jobs_without_price = sum(cost["jobs_without_price"] for cost in day["costs"])
    return day["credits"], jobs_without_price
