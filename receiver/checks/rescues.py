"""Rescues: whether media are about to be lost."""

from collections.abc import Iterator

from receiver.checks.context import Context
from receiver.checks.result import Result, failed, ok

NAME = "rescues"
CLOSE_SECONDS = 60.0
EXAMINED_JOBS = 8


def check(context: Context) -> Iterator[Result]:
    """Raises StoreUnavailable."""
    now = context.clock.now()
    most_urgent = context.risk.most_urgent(EXAMINED_JOBS)
    close = sum((job.urls_die_at or 0.0) - now < CLOSE_SECONDS for job in most_urgent)
    if close:
        jobs = "1 job loses its" if close == 1 else f"{close} jobs lose their"
        why = f"{jobs} media within a minute"
        yield failed(NAME, why, "See the health page for the jobs; start another worker.")
    else:
        yield ok(NAME, "no media is about to be lost")
