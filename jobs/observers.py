"""Whoever watches this process: its log, Sentry and traces, as the settings say."""

from jobs import logs, sentry, tracing
from jobs.settings import Settings


def set_up(settings: Settings, process: str) -> None:
    """Once in each process, `web`, `worker` or `sweep`. Raises InvalidSettings."""
    logs.set_up(settings, process)
    sentry.set_up(settings, process)
    tracing.set_up(settings, process)


def flush() -> None:
    """Send what is held back, before a process ends that nobody waits for."""
    sentry.flush()
    tracing.flush()
