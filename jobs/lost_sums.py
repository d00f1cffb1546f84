"""Sums of costs and budgets after a loss of Redis: what the jobs that are still known cost."""

from collections import Counter

from jobs.archive.archive import Archive
from jobs.domain.budgets import Period, units
from jobs.services import Services
from jobs.store.costs import DAY_SECONDS, SPENT, Place, budget_key, entries, is_counted


def restore(services: Services, *, dry_run: bool = False) -> int:
    """Raise sums to what is known; how many were lower. It may be repeated and interrupted.

    The records count, and with a database the rows of jobs that have none. Raises
    StoreUnavailable, ArchiveUnavailable.
    """
    now, sums = services.store.now(), Counter[Place]()
    for page in services.consistency.records():
        jobs = [job for job in page.values() if job]
        rows = services.archive.versions([job.id for job in jobs]) if services.archive else {}
        for job in jobs:
            if job.id not in rows:
                sums.update(entries(job))
    if services.archive:
        sums.update(_of_rows(services.archive, now))
    days = services.archive is None  # else the rows themselves are summed
    known = {
        place: number
        for place, number in sums.items()
        if number > 0 and is_counted(place, now, days=days)
    }
    return services.costs.raise_sums(known, dry_run=dry_run)


def _of_rows(archive: Archive, now: float) -> Counter[Place]:
    """Spending of ended jobs in the present periods, day by day: a month can have millions."""
    begins, sums = {period: period.begins_at(now) for period in Period}, Counter[Place]()
    day, hour = min(begins.values()), begins.pop(Period.HOUR)
    for _, key, cost, _ in archive.costs(hour, hour + 3600):
        sums[budget_key(Period.HOUR, now, key or ""), SPENT] += units(cost)
    while day <= now:
        for _, key, cost, _ in archive.costs(day, day + DAY_SECONDS):
            for period, begin in begins.items():
                if day >= begin:
                    sums[budget_key(period, now, key or ""), SPENT] += units(cost)
        day += DAY_SECONDS
    return sums
