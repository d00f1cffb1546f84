"""Start of a background process: services, logs, a storage check, a watchdog of the interpreter."""

import faulthandler
import logging
import os
import sys
import threading
import time
from functools import cache

from jobs import observability
from jobs.archive.file_access import require_writable
from jobs.config import settings
from jobs.domain.errors import FluxkeepError
from jobs.services import Services, for_background
from jobs.storage.opening import verify_access

INTERPRETER_HUNG_SECONDS = 120.0
WATCHDOG_RENEWALS = 12  # within that time

log = logging.getLogger(__name__)


@cache
def current_services() -> Services:
    """The services of this process. Raises InvalidSettings."""
    return for_background(settings.load())


def start(process: str, *, writes_database: bool = False) -> Services:
    """Set up logs and services; exit with a one-line message when that fails."""
    os.umask(0o077)  # media are for this user alone
    try:
        services = current_services()
        observability.configure(services.settings, process)
        verify_access(services.settings.storage_url, services.settings.media_options)
        if writes_database:
            require_writable(services.settings.database_url)
    except FluxkeepError as error:
        sys.exit(f"Fluxkeep cannot start: {error}")
    exit_when_interpreter_hangs()
    for variable in services.settings.odd_bfl_keys:
        log.warning("%s %s; BFL may refuse it", variable, settings.ODD_BFL_KEY)
    log.info("started")
    return services


def exit_when_interpreter_hangs(seconds: float = INTERPRETER_HUNG_SECONDS) -> None:
    """Exit with a traceback when no Python code has run for as many seconds.

    C code that holds the GIL stops every thread, as a page fault on a disk that hangs does.
    faulthandler waits without the GIL. The platform starts the process again.
    """

    def renew() -> None:
        while True:
            faulthandler.dump_traceback_later(seconds, exit=True)
            time.sleep(seconds / WATCHDOG_RENEWALS)

    threading.Thread(target=renew, name="interpreter watchdog", daemon=True).start()
