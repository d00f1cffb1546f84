"""Worker and sweep: seen lately?"""

from collections.abc import Iterator
from typing import Any

from jobs.clock import Clock
from jobs.errors import StoreUnavailable
from jobs.pulse import Pulse
from jobs.queues import Hints
from receiver.doctor.finding import Finding, failed, ok, warning
from receiver.health import SWEEP_SILENT_SECONDS, WORKER_SILENT_SECONDS

LIMITS = {"worker": WORKER_SILENT_SECONDS, "sweep": SWEEP_SILENT_SECONDS}
COMMANDS = {"worker": "python -m worker", "sweep": "python -m worker.sweep"}


def look(redis: Any) -> Iterator[Finding]:
    try:
        seen = Pulse(redis, Clock(redis), Hints(redis)).seen()
    except StoreUnavailable:
        said = "not known while Redis cannot be used"
        yield from (warning(name, said, "See to Redis first.") for name in LIMITS)
        return
    yield from (_one(name, seen.get(name)) for name in LIMITS)


def _one(name: str, age: float | None) -> Finding:
    if age is not None and age <= LIMITS[name]:
        return ok(name, f"was seen {max(age, 0.0):.0f} s ago")
    said = "was never seen" if age is None else f"was last seen {age:.0f} s ago"
    remedy = f"Start it over the same Redis, and under a supervisor: {COMMANDS[name]}"
    return failed(name, said, remedy)
