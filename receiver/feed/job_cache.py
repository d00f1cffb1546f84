"""Cache of changed jobs as JSON: serialized once for all readers of the feed."""

import json
import threading
from collections.abc import Mapping, Sequence
from itertools import islice

from jobs import views
from jobs.errors import StoreUnavailable
from jobs.job import Job
from jobs.services import Services
from jobs.store.events import Event, EventPosition
from jobs.views import JobView

CACHED_MAX = 256
WAIT_SECONDS = 2.0

Documents = Mapping[EventPosition, str | None]


class JobCache:
    """The latest documents by the position of their event."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._lock = threading.Lock()
        self._cached: Documents = {}  # replaced, never mutated: read without the lock

    def documents(self, events: Sequence[Event]) -> Documents:
        """The current job of each event, None when it was deleted. Raises StoreUnavailable."""
        found = self._find(events)
        if len(found) == len(events):
            return found
        if not self._lock.acquire(timeout=WAIT_SECONDS):
            raise StoreUnavailable("Redis does not answer")
        try:
            found = self._find(events)
            fresh = self._render([event for event in events if event.position not in found])
            merged = {**self._cached, **fresh}
            self._cached = dict(islice(merged.items(), max(0, len(merged) - CACHED_MAX), None))
        finally:
            self._lock.release()
        return {**found, **fresh}

    def document(self, job: Job) -> str:
        """Raises StoreUnavailable."""
        return _json(views.job_view(self._services, job))

    def _find(self, events: Sequence[Event]) -> Documents:
        cached, positions = self._cached, [event.position for event in events]
        return {position: cached[position] for position in positions if position in cached}

    def _render(self, events: Sequence[Event]) -> Documents:
        ids = list(dict.fromkeys(event.job_id for event in events if not event.is_deleted))
        jobs = self._services.listing.load_jobs(ids)
        rendered = map(_json, views.job_views(self._services, list(jobs.values())))
        documents = dict(zip(jobs, rendered, strict=True))
        return {event.position: documents.get(event.job_id) for event in events}


def _json(job: JobView) -> str:
    return json.dumps(job, separators=(",", ":"))
