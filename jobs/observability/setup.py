"""Logs and Sentry, set up as the settings say."""

from collections.abc import Iterator

from jobs.config.settings import Settings
from jobs.errors import InvalidSettings
from jobs.observability import logs, optional, sentry


def set_up(settings: Settings, process: str) -> None:
    """Once in each process, `web`, `worker` or `sweep`. Raises InvalidSettings."""
    logs.set_up(settings, process)
    sentry.set_up(settings, process)


def missing(settings: Settings) -> Iterator[str]:
    """A problem, as in InvalidSettings, for each variable whose package is not installed."""
    if settings.sentry_dsn:
        try:
            optional.load("sentry_sdk", "SENTRY_DSN")
        except InvalidSettings as error:
            yield from error.problems


def flush() -> None:
    """Send what is held back, before a process ends that nobody waits for."""
    sentry.flush()
