"""The services of this process: built before the first fork, handed to every task."""

from functools import cache

from jobs import services, settings


@cache
def get() -> services.Services:
    """Raises InvalidSettings or StorageFailed when the process cannot do its work."""
    return services.for_background(settings.load())
