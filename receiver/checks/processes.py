"""Checks of worker and sweep: heartbeats and overdue jobs."""

from collections.abc import Iterator

from receiver.checks.context import Context
from receiver.checks.result import Result, failed, ok

HEARTBEAT_MAX_SECONDS = {"worker": 60.0, "sweep": 30.0}
COMMANDS = {"worker": "python -m worker", "sweep": "python -m worker.sweep"}


def check_worker(context: Context) -> Iterator[Result]:
    """Raises StoreUnavailable."""
    result = _heartbeat("worker", context.services.metrics.heartbeat_ages().get("worker"))
    number = len(context.services.metrics.worker_keys()) if result.ok else 0
    yield ok("worker", f"{number} running, {result.why}") if number > 1 else result


def check_sweep(context: Context) -> Iterator[Result]:
    """Raises StoreUnavailable."""
    result = _heartbeat("sweep", context.services.metrics.heartbeat_ages().get("sweep"))
    overdue = context.services.metrics.totals().overdue if result.ok else 0
    if overdue:
        why = f"{overdue:,} jobs have been due for more than 30 s"
        result = failed("sweep", why, "Start a second sweep process: this one cannot keep up.")
    yield result


def _heartbeat(name: str, age: float | None) -> Result:
    if age is not None and age <= HEARTBEAT_MAX_SECONDS[name]:
        return ok(name, f"was seen {max(age, 0.0):.0f} s ago")
    why = "was never seen" if age is None else f"was last seen {age:.0f} s ago"
    remedy = f"Start it with the same REDIS_URL, under a supervisor: {COMMANDS[name]}"
    return failed(name, why, remedy)
