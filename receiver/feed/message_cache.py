"""Cache of changed jobs as Server-Sent Events: rendered once for all readers of the feed."""

import json
import threading
from collections.abc import Sequence
from contextlib import suppress

from jobs import views
from jobs.domain.errors import ArchiveUnavailable, StoreUnavailable
from jobs.domain.job import Job
from jobs.services import Services
from jobs.store.change_stream import Event, EventPosition
from jobs.views import JobView
from receiver.schemas.responses import DeletedJob

CACHED_MAX = 256
WAIT_SECONDS = 2.0


class MessageCache:
    """The latest messages by our origin, as their reader reaches us, and by their event."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._lock = threading.Lock()
        self._cached: dict[tuple[str, Event], str] = {}

    def messages(self, events: Sequence[Event], base_url: str) -> str:
        """The current job of each event, or that it was deleted. Raises StoreUnavailable."""
        if not self._lock.acquire(timeout=WAIT_SECONDS):
            raise StoreUnavailable("Redis does not answer")
        try:
            self._render(
                [event for event in events if (base_url, event) not in self._cached], base_url
            )
            found = "".join(self._cached[base_url, event] for event in events)
            for oldest in [*self._cached][:-CACHED_MAX]:
                del self._cached[oldest]
            return found
        finally:
            self._lock.release()

    def _render(self, events: Sequence[Event], base_url: str) -> None:
        ids = list(dict.fromkeys(event.job_id for event in events if not event.is_deleted))
        jobs = self._services.listing.load_jobs(ids)
        if missing := [job_id for job_id in ids if job_id not in jobs]:
            with suppress(ArchiveUnavailable):  # what changes now is in Redis
                found = self._services.catalog.load_many(missing)
                jobs |= {job_id: job for job_id, job in found.items() if job}
        rendered = views.job_views(self._services, list(jobs.values()), base_url=base_url)
        by_id = dict(zip(jobs, rendered, strict=True))
        self._cached |= {(base_url, event): _message(event, by_id) for event in events}

    def first_message(self, job: Job, position: EventPosition, base_url: str) -> str:
        """The job as it is at the beginning of a stream. Raises StoreUnavailable."""
        (view,) = views.job_views(self._services, [job], base_url=base_url)
        return message("job", view, position)


def _message(event: Event, jobs: dict[str, JobView]) -> str:
    if event.is_deleted:
        deleted: DeletedJob = {"id": event.job_id}
        return message("deleted", deleted, event.position)
    job = jobs.get(event.job_id)
    if job is None:  # deleted meanwhile: a later event says so
        return ""
    # A job that has moved on is shown as it is now, and the event of that status follows.
    change = event.change if event.status == job["status"] else "details"
    return message("job", {**job, "change": change}, event.position)


def message(name: str, data: object, position: EventPosition | None = None) -> str:
    """One Server-Sent Event; without a position the client keeps the last one."""
    id_line = f"id: {position}\n" if position else ""
    return f"event: {name}\n{id_line}data: {json.dumps(data, separators=(',', ':'))}\n\n"
