"""The services of this process: built before the first fork, handed to every task."""

import logging
import sys
from functools import cache

from jobs import services, settings
from jobs.errors import FluxkeepError
from worker import logs


@cache
def get() -> services.Services:
    """Raises InvalidSettings when the process cannot do its work."""
    return services.for_background(settings.load())


def start() -> services.Services:
    """The services with logging set up; stops the process with one sentence when that fails."""
    try:
        wired = get()
    except FluxkeepError as error:
        sys.exit(f"Fluxkeep cannot start: {error}")
    logs.set_up(wired.settings)
    logging.getLogger(__name__).info("started")
    return wired
