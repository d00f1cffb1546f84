"""Repair: reindex records, restore them from sidecars, name what is missing or unexplained.

It is safe while an installation is at work.
"""

from collections.abc import Iterator

from jobs.services import Services
from receiver.repair import indexes, media, objects
from receiver.repair.finding import Finding

__all__ = ["Finding", "examine"]


def examine(services: Services, *, verify_bytes: bool) -> Iterator[Finding]:
    """Each finding as it is found. Raises StoreUnavailable, StorageFailed."""
    services.metrics.ping()  # an empty storage asks Redis for nothing
    yield from indexes.check_records(services)
    yield from indexes.check_members(services)
    yield from indexes.check_task_ids(services)
    yield from media.check(services, verify_bytes=verify_bytes)
    yield from objects.check(services)
