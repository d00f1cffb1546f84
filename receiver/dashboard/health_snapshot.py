"""Health snapshot: the numbers of the health page, read from Redis in one go."""

from typing import NamedTuple, Self

from jobs.errors import StoreUnavailable
from jobs.job import Job
from jobs.services import Services
from jobs.store.metrics import Tally
from jobs.store.submission_queue import Crowd, Pause
from jobs.store.time_series import Course

AT_RISK_SHOWN = 8


class HealthSnapshot(NamedTuple):
    """The numbers of an installation at one moment (unix seconds)."""

    at: float
    tally: Tally
    crowd: Crowd
    pauses: list[Pause]
    at_risk: list[Job]
    course: Course

    @classmethod
    def read(cls, services: Services) -> Self | StoreUnavailable:
        """Return the error instead of raising it, so that it can be cached like a snapshot."""
        try:
            course = services.minutes.course()
            return cls(
                at=course.now.at,
                tally=services.pulse.tally(),
                crowd=services.slots.crowd(),
                pauses=services.slots.pauses(),
                at_risk=services.risk.most_urgent(AT_RISK_SHOWN),
                course=course,
            )
        except StoreUnavailable as error:
            return error
