"""Logs, redaction and error reports."""

from collections.abc import Iterator

from jobs.config.settings import Settings
from jobs.errors import InvalidSettings
from jobs.observability import logs, sentry


def configure(settings: Settings, process: str) -> None:
    """Configure logs and Sentry once per process: `web`, `worker` or `sweep`.

    Raises InvalidSettings when Sentry's package is missing.
    """
    logs.configure(settings, process)
    sentry.configure(settings, process)


def missing_packages(settings: Settings) -> Iterator[str]:
    """Yield a problem, as in InvalidSettings, for each setting whose package is missing."""
    if settings.sentry_dsn:
        try:
            sentry.load("sentry_sdk")
        except InvalidSettings as error:
            yield from error.problems


def flush() -> None:
    """Send buffered reports before the process exits."""
    sentry.flush()
