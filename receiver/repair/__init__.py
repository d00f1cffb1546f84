"""Repair: reindex records, restore lost ones, list missing and unexplained objects.

It is safe while the processes run.
"""

from collections.abc import Iterator

from jobs.services import Services
from receiver.repair import indexes, media, objects
from receiver.repair.finding import Finding

__all__ = ["Finding", "examine"]


def examine(services: Services, *, verify_bytes: bool) -> Iterator[Finding]:
    """Yield each finding at once. Raises StoreUnavailable, StorageError."""
    services.metrics.ping()  # fail early: an empty storage would cause no request to Redis
    yield from indexes.check_records(services)
    yield from indexes.check_members(services)
    yield from indexes.check_task_ids(services)
    yield from media.check(services, verify_bytes=verify_bytes)
    yield from objects.check(services)
