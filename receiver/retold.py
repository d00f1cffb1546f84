"""Changed jobs as JSON, made once for everybody who watches."""

import json
import threading
from collections.abc import Mapping, Sequence
from itertools import islice

from jobs import shape, shown
from jobs.errors import StoreUnavailable
from jobs.events import Event, Mark
from jobs.job import Job
from jobs.services import Services

KEPT_MAX = 256
WAIT_SECONDS = 2.0

Texts = Mapping[Mark, str | None]


class Retold:
    """Keeps the latest texts: who comes second finds them ready."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._lock = threading.Lock()
        self._kept: dict[Mark, str | None] = {}

    def texts(self, events: Sequence[Event]) -> Texts:
        """The job of each event as it stands now, None when it is gone. Raises StoreUnavailable."""
        found = self._known(events)
        if len(found) == len(events):
            return found
        if not self._lock.acquire(timeout=WAIT_SECONDS):
            raise StoreUnavailable("Redis keeps another reader waiting")
        try:
            found = self._known(events)
            fresh = self._made([event for event in events if event.mark not in found])
        finally:
            self._lock.release()
        self._keep(fresh)
        return {**found, **fresh}

    def text(self, job: Job) -> str:
        """Raises StoreUnavailable."""
        return _json(shape.job(self._services, job))

    def _known(self, events: Sequence[Event]) -> dict[Mark, str | None]:
        kept = self._kept
        return {event.mark: kept[event.mark] for event in events if event.mark in kept}

    def _made(self, events: Sequence[Event]) -> dict[Mark, str | None]:
        ids = list(dict.fromkeys(event.job_id for event in events if not event.forgotten))
        jobs = self._services.pages.loaded(ids)
        said = map(_json, shape.jobs(self._services, list(jobs.values())))
        texts = dict(zip(jobs, said, strict=True))
        return {event.mark: texts.get(event.job_id) for event in events}

    def _keep(self, fresh: Texts) -> None:
        """A new object: others may be reading the old one."""
        every = {**self._kept, **fresh}
        self._kept = dict(islice(every.items(), max(0, len(every) - KEPT_MAX), None))


def _json(job: shown.Job) -> str:
    return json.dumps(job, separators=(",", ":"))
