"""Logs, redaction and error reports."""

from jobs.config.settings import Settings
from jobs.observability import logs, sentry


def configure(settings: Settings, process: str) -> None:
    """Configure logs and Sentry for `web`, `worker` or `sweep`. Raises InvalidSettings."""
    logs.configure(settings, process)
    sentry.configure(settings, process)
