"""What the health page shows, read from Redis once a second for all who look."""

import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from jobs.errors import StoreUnavailable
from jobs.job import Job
from jobs.minutes import Course
from jobs.pulse import Tally
from jobs.services import Services
from jobs.slots import Crowd, Pause

AT_RISK_SHOWN = 8
FRESH_SECONDS = 1.0


class Vitals(NamedTuple):
    """How an installation is at one moment; `seen` is the age of signs of life in seconds."""

    at: float
    tally: Tally
    crowd: Crowd
    pauses: list[Pause]
    seen: Mapping[str, float]
    workers: int
    at_risk: list[Job]
    course: Course
    storage_trouble: str | None

    @classmethod
    def of(cls, services: Services) -> "Vitals":
        """Raises StoreUnavailable."""
        pulse, slots = services.pulse, services.slots
        course = services.minutes.course()
        return cls(
            at=course.now.at,
            tally=pulse.tally(),
            crowd=slots.crowd(),
            pauses=slots.pauses(),
            seen=pulse.seen(),
            workers=pulse.workers(),
            at_risk=services.risk.most_urgent(AT_RISK_SHOWN),
            course=course,
            storage_trouble=pulse.troubles("storage"),
        )


@dataclass(slots=True)
class Watch:
    """However many look at once, and whether Redis answers or not: it is asked once a second."""

    services: Services
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _until: float = 0.0
    _latest: Vitals | StoreUnavailable | None = None

    def vitals(self) -> Vitals | StoreUnavailable:
        """The latest, or why there is none."""
        with self._lock:
            if self._latest is None or time.monotonic() >= self._until:
                self._latest = self._read()
                self._until = time.monotonic() + FRESH_SECONDS
            return self._latest

    def _read(self) -> Vitals | StoreUnavailable:
        try:
            return Vitals.of(self.services)
        except StoreUnavailable as error:
            return error
