"""The services of this process, handed to every task."""

import logging
import os
import sys
from functools import cache

from jobs import services
from jobs.config import settings
from jobs.errors import FluxkeepError
from jobs.observability import setup
from jobs.storage.opening import prove


@cache
def get() -> services.Services:
    """Raises InvalidSettings when the process cannot do its work."""
    return services.for_background(settings.load())


def start(process: str) -> services.Services:
    """The services with logging set up; stops the process with one sentence when that fails."""
    os.umask(0o077)  # media are for this user alone
    try:
        wired = get()
        setup.set_up(wired.settings, process)
        prove(wired.settings.storage_url, wired.settings.media_options)
    except FluxkeepError as error:
        sys.exit(f"Fluxkeep cannot start: {error}")
    logging.getLogger(__name__).info("started")
    return wired
