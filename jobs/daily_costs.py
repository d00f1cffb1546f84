"""Costs by day: from the books of Redis, which it restores, and from the rows of the archive.

Each day comes from one of the two, whichever has more, so that nothing is counted twice. The books
have what is under way and what was deleted, and lack what a loss of Redis took; the rows have every
ended job that was not deleted, also what an import brought, whose key is not known.
"""

import json
from collections import Counter
from collections.abc import Sequence

from jobs.archive.archive import Archive
from jobs.domain.budgets import Period, units
from jobs.domain.errors import Invalid, InvalidField
from jobs.store import costs
from jobs.store.consistency import Consistency
from jobs.store.costs import DAY_SECONDS, CostView, DayView, Place, day_view, only
from jobs.store.listing import Position
from jobs.store.search_conditions import as_text

ROWS_AT_ONCE = 5000
ROWS_MAX = 500_000  # of one answer by metadata, and its entries
COSTS_MAX = 10_000
_TOO_MANY = "there are too many jobs or values: give a shorter range, or ask the database"

Sums = dict[tuple[float, str | None, str | None, str | None], list[float]]


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
            found = self._archive.costs(day, day + DAY_SECONDS)
            views = (_view(model, key, *sums) for model, key, *sums in found)
            rows.append(day_view(day, views))
        return [max(both, key=_weight) for both in zip(booked, only(owner, rows), strict=True)]

    def days_by(self, days: Sequence[float], name: str, owner: str | None = None) -> list[DayView]:
        """The same by the values of a metadata entry. Raises Invalid, InvalidField."""
        if not self._archive:
            message = "costs by metadata need a database (DATABASE_URL), and there is none"
            raise Invalid([{"field": "by", "message": message}])
        found: dict[float, list[CostView]] = {day: [] for day in days}
        sums_found = _sums(self._archive, days, name) if days else {}
        for (day, model, key, value), sums in sums_found.items():
            found[day].append({**_view(model, key, *sums), "value": value})
        return only(owner, [day_view(day, views) for day, views in found.items()])

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


def _sums(archive: Archive, days: Sequence[float], name: str) -> Sums:
    sums: Sums = {}
    after, until, read = Position(min(days), ""), max(days) + DAY_SECONDS, 0
    while rows := archive.priced(after, until, ROWS_AT_ONCE):
        for at, _, model, key, cost, without_price, metadata in rows:
            value = json.loads(metadata).get(name, {})
            group = (at // DAY_SECONDS * DAY_SECONDS, model, key, as_text(value))
            total = sums.setdefault(group, [0.0, 0])
            total[0] += cost
            total[1] += without_price
        read, after = read + len(rows), Position(*rows[-1][:2])
        if read > ROWS_MAX or len(sums) > COSTS_MAX:
            raise InvalidField("since", _TOO_MANY)
    return sums


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
