"""Rescues: whether media wait for a worker, or are about to be lost."""

from collections.abc import Iterator

from jobs.store.expiring_urls import JOBS_READ_MAX, waiting_since
from receiver.checks.context import Context
from receiver.checks.result import Result, failed, ok

NAME = "rescues"
CLOSE_SECONDS = 60.0
WAIT_SECONDS = 60.0


def check(context: Context) -> Iterator[Result]:
    """Raises StoreUnavailable."""
    now = context.clock.now()
    ready = context.expiring_urls.most_urgent(JOBS_READ_MAX)
    waited = now - (waiting_since(ready) or now)
    if waited > WAIT_SECONDS:
        why = f"the oldest has waited {waited:.0f} s for a worker"
        yield failed(NAME, why, "Start another worker, or see what keeps the workers busy.")
        return
    close = sum((job.delivery.expire_at or 0.0) - now < CLOSE_SECONDS for job in ready)
    if close:
        jobs = "1 job loses its" if close == 1 else f"{close} jobs lose their"
        why = f"{jobs} media within a minute"
        yield failed(NAME, why, "See the health page for the jobs; start another worker.")
    else:
        yield ok(NAME, "none waits for long, and no media is about to be lost")
