"""Health snapshot: the numbers of the health page, read from Redis in one go."""

from typing import NamedTuple, Self

from jobs.errors import StoreUnavailable
from jobs.job import Job
from jobs.services import Services
from jobs.store.costs import Day
from jobs.store.metrics import Series, Totals
from jobs.store.submission_queue import Circuit, SlotUsage

EXPIRING_MAX = 8
COST_DAYS = 30
UNKEPT_MAX = 8


class HealthSnapshot(NamedTuple):
    """The numbers of an installation at one moment (unix seconds)."""

    at: float
    totals: Totals
    slot_usage: SlotUsage
    open_circuits: list[Circuit]
    expiring: list[Job]
    series: Series
    days: list[Day]
    unkept: tuple[int, list[str]]

    @classmethod
    def read(cls, services: Services) -> Self | StoreUnavailable:
        """Return the error instead of raising it, so that it can be cached too."""
        try:
            series = services.metrics.last_hour()
            return cls(
                at=series.now.at,
                totals=services.metrics.totals(),
                slot_usage=services.submission_queue.slot_usage(),
                open_circuits=services.submission_queue.open_circuits(),
                expiring=services.listing.expiring(EXPIRING_MAX),
                series=series,
                days=services.costs.days(COST_DAYS),
                unkept=services.costs.unkept(UNKEPT_MAX),
            )
        except StoreUnavailable as error:
            return error
