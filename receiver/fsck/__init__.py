"""Do the records and the storage agree? Read while an installation is at work, without harm."""

from collections.abc import Iterator

from jobs.services import Services
from receiver.fsck import objects, records, sets
from receiver.fsck.finding import Finding

__all__ = ["Finding", "examine"]


def examine(services: Services, *, verify_bytes: bool) -> Iterator[Finding]:
    """Everything that is wrong, as it is found. Raises StoreUnavailable, StorageFailed."""
    yield from records.look(services, verify_bytes=verify_bytes)
    yield from sets.look(services)
    yield from objects.look(services)
