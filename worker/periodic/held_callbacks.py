"""Apply callbacks that came for unknown tasks while the archive was away."""

import logging

from jobs import ingest
from jobs.bfl import parsing
from jobs.domain.errors import (
    ArchiveUnavailable,
    Evicted,
    InvalidReport,
    ReportRefused,
    UnknownJob,
)
from jobs.services import Services
from jobs.store.held_callbacks import HeldCallback

POLL_SECONDS = 2.0
BATCH = 100

log = logging.getLogger(__name__)


def apply_held(services: Services) -> float:
    """Apply what can be told from a late callback now; return the seconds until the next batch.

    A callback stays while the archive is away, unless its job has a record by now. It may be
    applied twice: a report that is known changes nothing (I17).
    """
    for callback in services.held_callbacks.first(BATCH):
        try:
            _apply(services, callback)
        except ArchiveUnavailable:
            continue
        services.held_callbacks.remove(callback)
    return POLL_SECONDS


def _apply(services: Services, callback: HeldCallback) -> None:
    """Raises ArchiveUnavailable, and StoreUnavailable."""
    try:
        job = ingest.apply_report(
            services.store,
            parsing.parse_callback(callback.body),
            services.settings.timeouts,
            callback.job_id,
            find_archived=services.catalog.find_archived,
        )
    except (UnknownJob, Evicted, ReportRefused, InvalidReport) as error:
        log.info("a callback that was held changes nothing: %s", type(error).__name__)
    else:
        log.info("job %s: a callback that was held is applied, %s", job.id, job.status)
