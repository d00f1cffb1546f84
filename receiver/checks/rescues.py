"""Check of rescues: no job waits long for a worker, and no URL is about to expire."""

from collections.abc import Iterator

from jobs.store.listing import waiting_since
from receiver.checks.context import Context
from receiver.checks.result import Result, failed, ok

NAME = "rescues"
URGENT_SECONDS = 60.0
WAIT_SECONDS = 60.0


def check(context: Context) -> Iterator[Result]:
    """Raises StoreUnavailable."""
    now = context.services.store.now()
    ready = context.services.listing.expiring()
    waited = now - (waiting_since(ready) or now)
    if waited > WAIT_SECONDS:
        why = f"the oldest has waited {waited:.0f} s for a worker"
        yield failed(NAME, why, "Start another worker, or check why the workers are busy.")
        return
    urgent = sum((job.delivery.expire_at or 0.0) - now < URGENT_SECONDS for job in ready)
    if urgent:
        jobs = "1 job loses its" if urgent == 1 else f"{urgent} jobs lose their"
        why = f"{jobs} media within a minute"
        yield failed(NAME, why, "See the health page for the jobs; start another worker.")
    else:
        yield ok(NAME, "none waits long, and no URL is about to expire")
