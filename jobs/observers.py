"""Whoever watches this process: its log, Sentry and traces, as the settings say."""

from collections.abc import Iterator

from jobs import logs, optional, sentry, tracing
from jobs.errors import InvalidSettings
from jobs.settings import Settings


def set_up(settings: Settings, process: str) -> None:
    """Once in each process, `web`, `worker` or `sweep`. Raises InvalidSettings."""
    logs.set_up(settings, process)
    sentry.set_up(settings, process)
    tracing.set_up(settings, process)


def missing(settings: Settings) -> Iterator[str]:
    """A sentence for each variable that asks for packages that are not installed."""
    wanted = (
        (bool(settings.sentry_dsn), "sentry_sdk", "SENTRY_DSN"),
        (settings.traced, "opentelemetry.sdk.trace", settings.traces_variable),
    )
    for asked, module, variable in wanted:
        try:
            _ = asked and optional.load(module, variable)
        except InvalidSettings as error:
            yield from error.problems


def flush() -> None:
    """Send what is held back, before a process ends that nobody waits for."""
    sentry.flush()
    tracing.flush()
